# libattn
#   make         libattn.so (the extension) and libattn.a
#   make demo    see it work; installs what is missing
#   make tour    from text to Transformer, step by step (sql/inside/tour.sql)
#   make test    all tests; T=vec runs those whose name matches
#   make test-all   those, and what takes longer; PART='fuzz tsan' runs some of its parts
#   make bench   speed, against others on this machine
CC      ?= cc
AR      ?= ar
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
ARCH    := $(firstword $(subst -, ,$(MACHINE)))
WINDOWS := $(or $(findstring mingw,$(MACHINE)),$(findstring windows,$(MACHINE)))
B       := build
SO      := $(if $(WINDOWS),attn.dll,libattn.so)

WARN    := -Wall -Wextra -Wpedantic -Wconversion
CFLAGS  ?= -O2 -g
# Nothing is thrown through C, so its unwind tables, a tenth of the file, are left out.
CFLAGS_ALL := -std=c11 $(if $(WINDOWS),-D__USE_MINGW_ANSI_STDIO=1,-fPIC) -fvisibility=hidden -ffp-contract=off -fno-math-errno \
  -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections $(WARN) $(CFLAGS)
# Code and constants share their pages, which saves the padding between them (zig cc's linker
# has no such option); what nobody calls is left out.
LDFLAGS_ELF := -Wl,-z,nodelete -Wl,-z,defs -Wl,--gc-sections \
  $(if $(findstring zig,$(CC)),,-z noseparate-code)
LDFLAGS_ALL := -shared $(if $(WINDOWS),$(if $(findstring mingw,$(MACHINE)),-static),$(LDFLAGS_ELF)) $(LDFLAGS)
LDLIBS  := -lm -lpthread

# A kernel file is named for its instruction set, and it alone is compiled for it.
ISA_avx2       := -mavx2 -mfma -mf16c
ISA_avx512     := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
ISA_shani      := -msha -msse4.1
# zig cc knows processors and no architectures, gcc wants the architecture.
ISA_dotprod    := $(if $(findstring zig,$(CC)),-mcpu=generic+dotprod,-march=armv8.2-a+dotprod)
ISA_FILES_x86_64  := avx2 avx512 avx512vnni shani
ISA_FILES_aarch64 := neon dotprod
OTHER_ISA := $(filter-out $(ISA_FILES_$(ARCH)),avx2 avx512 avx512vnni shani neon dotprod)

ENGINE := $(wildcard engine/*.c engine/*/*.c)
ENGINE := $(filter-out $(foreach i,$(OTHER_ISA),%_$(i).c),$(ENGINE))
SQL    := $(wildcard sql/*.c sql/*/*.c)
EXT    := ext/attn.c

OBJ_ENGINE := $(ENGINE:%.c=$B/%.o)
OBJ_SO     := $(OBJ_ENGINE) $(SQL:%.c=$B/%.o) $(EXT:%.c=$B/%.o)

UNIT       := $(patsubst tests/%.c,$B/%,$(wildcard tests/unit/*.c))

all: $(SO) libattn.a

$(SO): $(OBJ_SO)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

libattn.a: $(OBJ_SO)
	rm -f $@
	$(AR) rcs $@ $^

# Cold code is compiled with -Os: what reads settings, checks and waits for others.
SMALL := sql/% engine/format/% engine/model/% engine/quantize/% engine/tasks/% engine/train/% \
  $(addprefix engine/base/,base cores limits settings threads) \
  $(addprefix engine/nn/,decoder int8 linear positions stack) \
  engine/kernels/sha256 engine/search/chunk engine/vector/vector_json \
  $(addprefix engine/tokenizer/,added component detokenizer matcher normalizer pre_tokenizer \
  template vocabulary)

$B/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(if $(filter $(SMALL),$*),$(CFLAGS_ALL:-O2=-Os),$(CFLAGS_ALL)) \
	  $(ISA_$(lastword $(subst _, ,$*))) -MMD -MP -c -o $@ $<

# Every processor has better than these two, or will not mind.
$B/engine/kernels/f32_scalar.o $B/engine/kernels/i8_scalar.o $B/engine/kernels/code_scalar.o: CFLAGS_ALL += -Os

# A unit test is one file and the engine.
unit: $(UNIT)

$B/unit/%: $B/tests/unit/%.o $(OBJ_ENGINE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# What the compilers have to say is an error (tests/check_warnings).
sources:
	@printf '%s\n' $(ENGINE) $(SQL) $(EXT) $(wildcard tests/unit/*.c)

# The same under AddressSanitizer and UBSan, under ThreadSanitizer, and counted by gcov:
# in a folder of its own, with the programs of tests/unit.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined
asan: FLAGS := -O1 -g1 -fno-omit-frame-pointer $(SANITIZE)
tsan: FLAGS := -O1 -g1 -fno-omit-frame-pointer -fsanitize=thread
coverage: FLAGS := -O0 -g --coverage -fprofile-update=atomic
# What computes for long is optimized even so, and the programs are not counted.
build/coverage/engine/kernels/%.o: CFLAGS_ALL += -O2
build/coverage/tests/unit/%.o: CFLAGS_ALL += -O2 -fno-profile-arcs -fno-test-coverage
asan tsan coverage:
	$(MAKE) CC=gcc B=build/$@ SO=build/$@/libattn.so CFLAGS='$(FLAGS)' LDFLAGS='$(FLAGS)' \
	  build/$@/libattn.so unit

# Binaries for machines of other kinds, by the C compiler of Zig, which knows them all.
# `gnu.2.28` is the oldest glibc that they run with.
RELEASES := x86_64-linux-gnu.2.28 aarch64-linux-gnu.2.28 s390x-linux-gnu.2.28 \
  x86_64-linux-musl aarch64-linux-musl x86_64-windows-gnu
release: $(RELEASES:%=release-%)

release-%: testfixture
	tests/venv ziglang==0.17.1
	$(MAKE) CC='build/venv/bin/python -m ziglang cc -target $*' B=build/release/$*/obj \
	  SO=build/release/$*/$(if $(findstring windows,$*),attn.dll,libattn.so) \
	  CFLAGS='-O2 -g0 -Ibuild/testfixture/exact' LDFLAGS=-s WARN=-Wall $(RELEASE_GOAL)

# tests/fuzz, by clang's libFuzzer, with SQLite in the programs, whose branches do not count.
FUZZ := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz:
	$(MAKE) CC=clang B=build/fuzz CFLAGS='-O1 -g -fsanitize=fuzzer-no-link $(SANITIZE)' WARN= \
	  build/fuzz/sqlite3.o build/fuzz/libattn.o $(FUZZ)

build/fuzz/sqlite3.o: build/testfixture/exact/sqlite3.c
	@mkdir -p $(@D)
	$(CC) -O1 -g -w -fsanitize=address -c -o $@ $<

build/fuzz/libattn.o: $(OBJ_SO)
	$(LD) -r -o $@ $^

build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h build/fuzz/libattn.o build/fuzz/sqlite3.o
	$(CC) -std=gnu11 -O1 -g -Ibuild/testfixture/exact -fsanitize=fuzzer,address,undefined \
	  -fno-sanitize-recover=undefined -o $@ $< build/fuzz/libattn.o build/fuzz/sqlite3.o $(LDLIBS) -ldl

testfixture:
	tests/testfixture/build build/testfixture

newest:
	tests/testfixture/library newest build/testfixture-newest

model:
	tests/get_model

deps:
	@tests/deps build

demo:
	@tests/deps demo
	@$(MAKE) --no-print-directory -s -j2 all
	@tests/get_model
	@tests/demo/demo

tour:
	@tests/deps demo
	@$(MAKE) --no-print-directory -s -j2 all
	@tests/get_model
	@mkdir -p $B/tour
	@sqlite3 -init /dev/null :memory: <sql/inside/tour.sql

# All tests; with T those that match, in one configuration, of which no more is built than
# they need: make test T=vec/json, make test T='index/*' C=asan, make test T=unit/test_small.
test:
	@tests/deps test
ifdef T
	@$(MAKE) --no-print-directory -s -j2 testfixture model all $(TEST_NEEDS)
	@tests/run -c $(C) $(T)
else
	@$(MAKE) --no-print-directory -s -j2 testfixture newest model all unit asan
	@tests/run
endif
C = $(if $(filter unit/%,$T),native,$(if $(filter check_%,$T),shell,debug))
TEST_NEEDS = $(patsubst native,unit,$(filter native asan newest,$C))

# The engine on arm64, emulated; also a part of test-all.
test-arm64:
	@tests/parts/arm64 $(T)

test-all:
	@T='$(T)' tests/all $(PART)

bench:
	@tests/deps bench
	@$(MAKE) --no-print-directory -s -j2 all
	@tests/get_model
	@tests/bench/run $(T)

# Products of matrices as a share of what the multipliers can do.
bench-kernels: all
	@mkdir -p $B/bench
	$(CC) -std=gnu11 -O2 -o $B/bench/bench_kernels tests/bench/bench_kernels.c libattn.a $(LDLIBS)
	@$B/bench/bench_kernels

clean:
	rm -rf $B $(SO) libattn.a

-include $(OBJ_SO:.o=.d) $(UNIT:$B/%=$B/tests/%.d)

.PHONY: all unit sources asan tsan coverage fuzz testfixture newest model deps demo tour test test-all \
  test-arm64 bench clean bench-kernels
.SECONDARY: $(UNIT:$B/%=$B/tests/%.o)
