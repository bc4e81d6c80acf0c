# libattn - make: the extension; make demo: see it work; make test: all tests
CC      ?= cc
AR      ?= ar
ARCH    := $(shell $(CC) -dumpmachine | cut -d- -f1)
B       := build

WARN    := -Wall -Wextra -Wpedantic -Wconversion
CFLAGS  ?= -O2 -g
CFLAGS_ALL := -std=c11 -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno $(WARN) $(CFLAGS)
LDFLAGS_ALL := -shared -Wl,-z,nodelete $(LDFLAGS)
LDLIBS  := -lm -lpthread

# A kernel file is named for its instruction set, and it alone is compiled for it.
ISA_avx2       := -mavx2 -mfma -mf16c
ISA_avx512     := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
ISA_dotprod    := -march=armv8.2-a+dotprod
ISA_FILES_x86_64  := avx2 avx512 avx512vnni
ISA_FILES_aarch64 := neon dotprod
OTHER_ISA := $(filter-out $(ISA_FILES_$(ARCH)),avx2 avx512 avx512vnni neon dotprod)

ENGINE := $(wildcard engine/*.c engine/*/*.c)
ENGINE := $(filter-out $(foreach i,$(OTHER_ISA),%_$(i).c),$(ENGINE))
SQL    := $(wildcard sql/*.c sql/*/*.c)
EXT    := ext/attn.c

OBJ_ENGINE := $(ENGINE:%.c=$B/%.o)
OBJ_SO     := $(OBJ_ENGINE) $(SQL:%.c=$B/%.o) $(EXT:%.c=$B/%.o)

all: libattn.so libattn.a

libattn.so: $(OBJ_SO)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

libattn.a: $(OBJ_SO)
	rm -f $@
	$(AR) rcs $@ $^

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(ISA_$(lastword $(subst _, ,$*))) -MMD -MP -c -o $@ $<

-include $(OBJ_SO:.o=.d)

clean:
	rm -rf $B libattn.so libattn.a

.PHONY: all clean
