/*
** test_threads.c - the pool of threads: every piece once, whatever happens to the
** threads; and vectors with the same bits for any number of them.
**
** tsan: yes
*/
#define _GNU_SOURCE /* RTLD_NEXT */
#include "unit.h"
#include "../../engine/base/threads.h"
#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void sleep_ms(long ms) {
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* ------------------------------------------------------ threads that are refused */

/* How many more threads the system will give; negative: all that are wanted. */
static atomic_int n_granted = -1;

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                            void *);

/* In place of the C library's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*start)(void *), void *ctx) {
  static create_function *original;
  if (!original) *(void **)&original = dlsym(RTLD_NEXT, "pthread_create");
  if (atomic_load(&n_granted) == 0) return EAGAIN;
  if (atomic_load(&n_granted) > 0) atomic_fetch_sub(&n_granted, 1);
  return original(thread, attributes, start, ctx);
}

static uint32_t running(void) {
  uint32_t n, n_running;
  attn_get_threads(&n, &n_running);
  return n_running;
}

/* Waits until at most n threads of the pool are there; 0 after ten seconds. */
static int wait_for(uint32_t n) {
  for (int i = 0; running() > n; i++) {
    if (i == 1000) return 0;
    sleep_ms(10);
  }
  return 1;
}

/* -------------------------------------------------------------------------- jobs */

enum { MAX_PIECES = 3000 };

typedef struct counts {
  atomic_int piece[MAX_PIECES]; /* how often each was done */
  atomic_int busy[ATTN_MAX_THREADS];
  atomic_int n_clash; /* two at a time in a slot, or a slot too high */
  uint32_t n_slot;
  atomic_int n_asked;
  int stop_at; /* the question that is answered with yes; 0: none */
  int nap;     /* ms that a piece takes */
} counts;

static void count(void *ctx, uint32_t slot, size_t i) {
  counts *c = ctx;
  if (slot >= c->n_slot || atomic_fetch_add(&c->busy[slot], 1) != 0) {
    atomic_fetch_add(&c->n_clash, 1);
    return;
  }
  atomic_fetch_add(&c->piece[i], 1);
  if (c->nap) sleep_ms(c->nap);
  atomic_fetch_sub(&c->busy[slot], 1);
}

static int stop(void *ctx) {
  counts *c = ctx;
  return atomic_fetch_add(&c->n_asked, 1) + 1 == c->stop_at;
}

static attn_status run_counts(counts *c, size_t n_piece) {
  c->n_slot = attne_job_slots(n_piece);
  return attne_run(&(attne_job){count, c, n_piece, c->n_slot, stop, c});
}

/* Was each of the pieces done exactly `times` times, and no other? */
static int done_exactly(counts *c, size_t n_piece, int times) {
  int ok = c->n_clash == 0;
  for (size_t i = 0; i < MAX_PIECES; i++) ok &= c->piece[i] == (i < n_piece ? times : 0);
  return ok;
}

static void test_every_piece_once(void) {
  static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 100, MAX_PIECES};
  for (uint32_t n = 1; n <= 8; n++) {
    attn_set_threads(n);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      counts c = {0};
      CHECK(run_counts(&c, sizes[i]) == ATTN_OK);
      CHECK(done_exactly(&c, sizes[i], 1));
    }
  }
}

static void test_number(void) {
  uint32_t n, n_running;
  attn_set_threads(0);
  attn_get_threads(&n, &n_running);
  CHECK(n == (attne_cores() < ATTN_MAX_THREADS ? attne_cores() : ATTN_MAX_THREADS));
  CHECK(n >= 1);
  attn_set_threads(1000);
  attn_get_threads(&n, &n_running);
  CHECK(n == ATTN_MAX_THREADS);
  attn_set_threads(3);
  CHECK(attne_job_slots(0) == 1 && attne_job_slots(1) == 1);
  CHECK(attne_job_slots(2) == 2 && attne_job_slots(3) == 3 && attne_job_slots(99) == 3);
}

/* Pieces that wait for one another: they can only end if all run at a time. */
static void meet(void *ctx, uint32_t slot, size_t i) {
  counts *c = ctx;
  atomic_fetch_add(&c->piece[slot], 1);
  (void)i;
  for (int k = 0; k < 1000; k++) {
    int n = 0;
    for (uint32_t s = 0; s < c->n_slot; s++) n += c->piece[s] > 0;
    if (n == (int)c->n_slot) return;
    sleep_ms(10);
  }
  atomic_fetch_add(&c->n_clash, 1);
}

static void test_all_at_a_time(void) {
  counts c = {.n_slot = 6};
  attn_set_threads(6);
  CHECK(attne_run(&(attne_job){meet, &c, 6, 6, NULL, NULL}) == ATTN_OK);
  CHECK(c.n_clash == 0 && c.piece[5] == 1);
  CHECK(running() == 5);
  attn_set_threads(3); /* those that are too many go */
  CHECK(wait_for(2) && running() == 2);
  attn_set_threads(6); /* and those that have nothing to do */
  CHECK(wait_for(0));
}

static void test_stop(void) {
  attn_set_threads(4);
  for (int at = 1; at < 20; at += 6) {
    counts c = {.stop_at = at, .nap = 1};
    CHECK(run_counts(&c, MAX_PIECES) == ATTN_INTERRUPTED);
    int n = 0, again = 0, ok = 1;
    for (size_t i = 0; i < MAX_PIECES; i++) n += c.piece[i];
    for (size_t i = 0; i < MAX_PIECES; i++) ok &= c.piece[i] <= 1;
    CHECK(ok && n >= at - 1 && n < MAX_PIECES);
    CHECK(c.n_asked == at); /* never again */
    sleep_ms(20);
    for (size_t i = 0; i < MAX_PIECES; i++) again += c.piece[i];
    CHECK(again == n); /* nobody is at work any more */
  }
}

static void test_refused(void) {
  for (int granted = 0; granted < 4; granted++) {
    attn_set_threads(1);
    CHECK(wait_for(0));
    attn_set_threads(8);
    atomic_store(&n_granted, granted);
    counts c = {.nap = 1};
    CHECK(run_counts(&c, 50) == ATTN_OK);
    CHECK(done_exactly(&c, 50, 1));
    CHECK(running() == (uint32_t)granted);
    atomic_store(&n_granted, -1);
  }
}

/* ----------------------------------------------------------- what threads inherit */

typedef struct surroundings {
  atomic_int n_open;  /* pieces on threads of the pool that a signal could reach */
  atomic_int n_wrong; /* pieces with another rounding */
} surroundings;

static void look_around(void *ctx, uint32_t slot, size_t i) {
  surroundings *s = ctx;
  sigset_t blocked;
  (void)i;
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  int open = !sigismember(&blocked, SIGINT) || !sigismember(&blocked, SIGUSR1) ||
             !sigismember(&blocked, SIGSEGV);
  if (slot > 0) atomic_fetch_add(&s->n_open, open);
  atomic_fetch_add(&s->n_wrong, fegetround() != FE_TONEAREST);
  sleep_ms(5);
}

static void test_surroundings(void) {
  surroundings s = {0};
  sigset_t before, after;
  attn_set_threads(4);
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  fesetround(FE_UPWARD);
  CHECK(attne_run(&(attne_job){look_around, &s, 40, 4, NULL, NULL}) == ATTN_OK);
  CHECK(fegetround() == FE_UPWARD);
  fesetround(FE_TONEAREST);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  CHECK(s.n_open == 0 && s.n_wrong == 0);
  CHECK(sigismember(&before, SIGINT) == sigismember(&after, SIGINT));
}

/* ------------------------------------------------------------------ many callers */

enum { N_CALLER = 8 };

static void *call_often(void *ctx) {
  atomic_int *n_bad = ctx;
  static _Thread_local counts c;
  for (size_t i = 0; i < 60; i++) {
    size_t n_piece = i * i % 97;
    memset(&c, 0, sizeof c);
    int ok = run_counts(&c, n_piece) == ATTN_OK && done_exactly(&c, n_piece, 1);
    atomic_fetch_add(n_bad, !ok);
  }
  return NULL;
}

static void run_callers(void *(*function)(void *), void *ctx) {
  pthread_t caller[N_CALLER];
  for (int i = 0; i < N_CALLER; i++) pthread_create(&caller[i], NULL, function, ctx);
  for (int i = 0; i < N_CALLER; i++) pthread_join(caller[i], NULL);
}

static void test_many_callers(void) {
  atomic_int n_bad = 0;
  for (uint32_t n = 1; n <= 4; n++) {
    attn_set_threads(n);
    run_callers(call_often, &n_bad);
  }
  CHECK(n_bad == 0);
}

/* -------------------------------------------------------------------------- fork */

/* Does a child that forks here get its work done, on threads of its own? */
static int child_works(void) {
  pid_t pid = fork();
  if (pid == 0) {
    alarm(20); /* a deadlock ends so */
    counts c = {.n_slot = 4};
    int ok = running() == 0;
    ok = ok && attne_run(&(attne_job){meet, &c, 4, 4, NULL, NULL}) == ATTN_OK;
    _exit(ok && c.n_clash == 0 && running() == 3 ? 0 : 1);
  }
  int status = -1;
  return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static atomic_int is_over;

static void *work_on(void *ctx) {
  static _Thread_local counts c;
  (void)ctx;
  while (!is_over) {
    memset(&c, 0, sizeof c);
    run_counts(&c, 200);
  }
  return NULL;
}

static pid_t forked_in_stop;

static int fork_once(void *ctx) {
  counts *c = ctx;
  if (atomic_fetch_add(&c->n_asked, 1) == 3) {
    forked_in_stop = fork();
    if (forked_in_stop == 0) alarm(20);
  }
  return 0;
}

/* The caller of a job forks in the middle of it: both sides finish it. */
static void test_fork_in_job(void) {
  counts c = {.n_slot = 4, .nap = 1};
  int status = -1;
  attn_set_threads(4);
  CHECK(attne_run(&(attne_job){count, &c, 100, 4, fork_once, &c}) == ATTN_OK);
  if (forked_in_stop == 0) {
    int ok = 1;
    for (size_t i = 0; i < 100; i++) ok &= c.piece[i] >= 1;
    _exit(ok ? 0 : 1);
  }
  CHECK(done_exactly(&c, 100, 1));
  CHECK(waitpid(forked_in_stop, &status, 0) == forked_in_stop && status == 0);
}

static void test_fork(void) {
  pthread_t worker[3];
  attn_set_threads(4);
  CHECK(child_works());
  for (int i = 0; i < 3; i++) pthread_create(&worker[i], NULL, work_on, NULL);
  int n_good = 0;
  for (int i = 0; i < 30; i++) n_good += child_works();
  CHECK(n_good == 30);
  is_over = 1;
  for (int i = 0; i < 3; i++) pthread_join(worker[i], NULL);
  test_fork_in_job();
}

/* ------------------------------------------------------------------------- cores */

typedef struct system_file {
  const char *path, *content;
} system_file;

/* What attne_cores_quota says where the system has these files. */
static uint32_t quota_of(const system_file *files) {
  char root[] = "/tmp/attn_coresXXXXXX", path[300], command[64];
  if (!mkdtemp(root)) return 0;
  for (const system_file *file = files; file->path; file++) {
    snprintf(path, sizeof path, "%s/%s", root, file->path);
    for (char *p = path + sizeof root; (p = strchr(p, '/')) != NULL; p++) {
      *p = 0;
      mkdir(path, 0700);
      *p = '/';
    }
    FILE *f = fopen(path, "w");
    if (!f) return 0;
    fputs(file->content, f);
    fclose(f);
  }
  uint32_t n = attne_cores_quota(root);
  snprintf(command, sizeof command, "rm -r %s", root);
  return system(command) == 0 ? n : 0;
}

#define QUOTA(...) quota_of((const system_file[]){__VA_ARGS__, {NULL, NULL}})
#define OF_PROCESS "proc/self/cgroup"
#define V2         "sys/fs/cgroup/"
#define V1         "sys/fs/cgroup/cpu,cpuacct/"

static void test_quota(void) {
  const uint32_t none = QUOTA({"nothing", ""});
  CHECK(none >= 1000);
  CHECK(QUOTA({OF_PROCESS, "0::/\n"}) == none);
  CHECK(QUOTA({OF_PROCESS, "0::/\n"}, {V2 "cpu.max", "max 100000\n"}) == none);
  CHECK(QUOTA({OF_PROCESS, "0::/\n"}, {V2 "cpu.max", "200000 100000\n"}) == 2);
  CHECK(QUOTA({OF_PROCESS, "0::/\n"}, {V2 "cpu.max", "150000 100000\n"}) == 2);
  CHECK(QUOTA({OF_PROCESS, "0::/\n"}, {V2 "cpu.max", "1000 100000\n"}) == 1);
  CHECK(QUOTA({OF_PROCESS, "0::/\n"}, {V2 "cpu.max", "nonsense\n"}) == none);
  CHECK(QUOTA({OF_PROCESS, "0::/\n"}, {V2 "cpu.max", ""}) == none);
  CHECK(QUOTA({OF_PROCESS, "0::/\n"}, {V2 "cpu.max", "5 0\n"}) == none);
  /* the group, one above it, or the root as a container sees it */
  CHECK(QUOTA({OF_PROCESS, "0::/a/b\n"}, {V2 "a/b/cpu.max", "300000 100000\n"},
              {V2 "a/cpu.max", "max 100000"}) == 3);
  CHECK(QUOTA({OF_PROCESS, "0::/a/b\n"}, {V2 "a/b/cpu.max", "300000 100000\n"},
              {V2 "a/cpu.max", "100000 50000\n"}) == 2);
  CHECK(QUOTA({OF_PROCESS, "0::/../outside\n"}, {V2 "cpu.max", "400000 100000\n"}) == 4);
  /* version 1, by its controllers */
  CHECK(QUOTA({OF_PROCESS, "3:memory:/x\n2:cpu,cpuacct:/x\n0::/\n"},
              {V1 "x/cpu.cfs_quota_us", "250000\n"},
              {V1 "x/cpu.cfs_period_us", "100000\n"}) == 3);
  CHECK(QUOTA({OF_PROCESS, "2:cpu,cpuacct:/far/away\n"},
              {V1 "cpu.cfs_quota_us", "50000\n"},
              {V1 "cpu.cfs_period_us", "50000\n"}) == 1);
  CHECK(QUOTA({OF_PROCESS, "2:cpu,cpuacct:/\n"}, {V1 "cpu.cfs_quota_us", "-1\n"},
              {V1 "cpu.cfs_period_us", "100000\n"}) == none);
  CHECK(QUOTA({OF_PROCESS, "2:cpu,cpuacct:/\n"}, {V1 "cpu.cfs_quota_us", "50000\n"}) ==
        none);
  CHECK(QUOTA({OF_PROCESS, "2:cpuset,cpuacct:/\nnonsense\n\n:\n"},
              {"sys/fs/cgroup/cpuset,cpuacct/cpu.cfs_quota_us", "50000\n"},
              {"sys/fs/cgroup/cpuset,cpuacct/cpu.cfs_period_us", "50000\n"}) == none);
}

/* -------------------------------------------------------------- a model to embed */

enum { N_VOCAB = 60, D = 32, N_LAYER = 2, D_FF = 64, MAX_LENGTH = 300 };

#define TEXT(path, value)                                                                \
  { path, ATTN_TEXT, 0, 0, value, sizeof value - 1 }
#define NUMBER(path, value)                                                              \
  { path, ATTN_INTEGER, value, value, NULL, 0 }
#define MEMBER(path, kind)                                                               \
  { path, kind, 0, 0, NULL, 0 }

static attn_tokenizer *make_tokenizer(void) {
  static char name[N_VOCAB][8];
  const char *token[N_VOCAB];
  uint32_t n_token[N_VOCAB];
  attn_setting entries[] = {
      MEMBER("$", ATTN_OBJECT),
      MEMBER("$.model", ATTN_OBJECT),
      TEXT("$.model.type", "WordPiece"),
      TEXT("$.model.unk_token", "w0"),
      TEXT("$.model.continuing_subword_prefix", "##"),
      NUMBER("$.model.max_input_chars_per_word", 100),
      MEMBER("$.pre_tokenizer", ATTN_OBJECT),
      TEXT("$.pre_tokenizer.type", "BertPreTokenizer"),
  };
  attn_settings settings = {entries, sizeof entries / sizeof entries[0]};
  for (uint32_t i = 0; i < N_VOCAB; i++) {
    n_token[i] = (uint32_t)snprintf(name[i], sizeof name[i], "w%u", i);
    token[i] = name[i];
  }
  attn_error err = {""};
  attn_tokenizer *tokenizer = NULL;
  attn_vocab vocab = {.token = token, .n_token = n_token, .n = N_VOCAB};
  CHECK_STATUS(ATTN_OK, attn_tokenizer_new(&settings, &vocab, &err, &tokenizer), "");
  return tokenizer;
}

enum { MAX_TENSORS = 7 + 16 * N_LAYER };
static attn_tensor tensors[MAX_TENSORS];
static char tensor_names[MAX_TENSORS][64];
static size_t n_tensor;

static void add_tensor(const char *name, int64_t n_row, int64_t n_column) {
  attn_tensor *t = &tensors[n_tensor];
  snprintf(tensor_names[n_tensor], sizeof tensor_names[0], "%s", name);
  *t = (attn_tensor){.name = tensor_names[n_tensor],
                     .dtype = ATTN_F32,
                     .n_dim = n_column ? 2 : 1,
                     .dim = {n_row, n_column},
                     .n_byte = (uint64_t)(n_row * (n_column ? n_column : 1)) * 4};
  n_tensor++;
}

static void add_pair(const char *base, int layer, int64_t n_row, int64_t n_column) {
  char name[64], whole[80];
  snprintf(name, sizeof name, base, layer);
  snprintf(whole, sizeof whole, "%s.weight", name);
  add_tensor(whole, n_row, n_column);
  snprintf(whole, sizeof whole, "%s.bias", name);
  add_tensor(whole, n_row, 0);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const attn_tensor *)a)->name, ((const attn_tensor *)b)->name);
}

/* Some number for each byte offset of each tensor. */
static attn_status read_tensor(void *ctx, size_t i, uint64_t offset, uint64_t n,
                               void *out, attn_error *err) {
  (void)ctx, (void)err;
  for (uint64_t k = 0; k < n / 4; k++) {
    uint32_t h =
        (uint32_t)(offset / 4 + k + 1) * 2654435761u ^ (uint32_t)(i + 1) * 40503u;
    h = (h ^ h >> 15) * 2246822519u;
    ((float *)out)[k] = (float)(h >> 8) * 0x1p-24f - 0.5f;
  }
  return ATTN_OK;
}

static attn_model *make_model(void) {
  static const char *const linears[] = {"attention.q_lin", "attention.k_lin",
                                        "attention.v_lin", "attention.out_lin"};
  char base[64];
  n_tensor = 0;
  add_tensor("embeddings.word_embeddings.weight", N_VOCAB, D);
  add_tensor("embeddings.position_embeddings.weight", MAX_LENGTH, D);
  add_pair("embeddings.LayerNorm", 0, D, 0);
  for (int i = 0; i < N_LAYER; i++) {
    for (int k = 0; k < 4; k++) {
      snprintf(base, sizeof base, "transformer.layer.%%d.%s", linears[k]);
      add_pair(base, i, D, D);
    }
    add_pair("transformer.layer.%d.ffn.lin1", i, D_FF, D);
    add_pair("transformer.layer.%d.ffn.lin2", i, D, D_FF);
    add_pair("transformer.layer.%d.sa_layer_norm", i, D, 0);
    add_pair("transformer.layer.%d.output_layer_norm", i, D, 0);
  }
  qsort(tensors, n_tensor, sizeof tensors[0], by_name);
  attn_setting entries[] = {
      MEMBER("$", ATTN_OBJECT),
      MEMBER("$.transformer", ATTN_OBJECT),
      TEXT("$.transformer.model_type", "distilbert"),
      NUMBER("$.transformer.dim", D),
      NUMBER("$.transformer.n_layers", N_LAYER),
      NUMBER("$.transformer.n_heads", 2),
      NUMBER("$.transformer.hidden_dim", D_FF),
      NUMBER("$.transformer.vocab_size", N_VOCAB),
      NUMBER("$.transformer.max_position_embeddings", MAX_LENGTH),
      MEMBER("$.modules", ATTN_ARRAY),
      MEMBER("$.modules[0]", ATTN_OBJECT),
      TEXT("$.modules[0].type", "Transformer"),
      TEXT("$.modules[0].path", ""),
      MEMBER("$.modules[1]", ATTN_OBJECT),
      TEXT("$.modules[1].type", "Pooling"),
      TEXT("$.modules[1].path", "1_Pooling"),
      MEMBER("$.modules[1].config", ATTN_OBJECT),
      TEXT("$.modules[1].config.pooling_mode", "mean"),
  };
  attn_settings settings = {entries, sizeof entries / sizeof entries[0]};
  attn_source source = {tensors, n_tensor, read_tensor, NULL};
  attn_error err = {""};
  attn_model *model = NULL;
  attn_tokenizer *tokenizer = make_tokenizer();
  CHECK_STATUS(ATTN_OK, attn_model_load(&settings, tokenizer, &source, &err, &model), "");
  return model;
}

/* -------------------------------------------------------------------- same bits */

enum { N_TEXT = 90 };
static size_t n_text = N_TEXT; /* fewer where arithmetic is slow */
static char text_bytes[N_TEXT][4 * MAX_LENGTH + 1];
static attn_text texts[N_TEXT];
static float expected[N_TEXT][D];

/* Lengths of all kinds, from one word to more than the model takes. */
static void make_texts(void) {
  for (int i = 0; i < N_TEXT; i++) {
    size_t n_word = i % 9 == 8 ? 290 : i % 3 == 2 ? 40 + (size_t)i : 1 + (size_t)i % 13;
    char *p = text_bytes[i];
    for (size_t k = 0; k < n_word; k++) {
      p += sprintf(p, "w%zu ", (k * k + (size_t)i) % N_VOCAB);
    }
    texts[i] = (attn_text){text_bytes[i], (size_t)(p - text_bytes[i])};
  }
}

typedef struct shared {
  const attn_model *model;
  atomic_int n_bad;
  atomic_int n_order; /* so that each caller takes another one */
} shared;

/* Embeds all texts in some order, n at a time; how many vectors differ? */
static int count_differences(attn_workspace *workspace, const attn_model *model,
                             size_t step, size_t n) {
  static _Thread_local float out[N_TEXT][D];
  attn_text batch[N_TEXT];
  attn_error err = {""};
  int n_bad = 0;
  for (size_t first = 0; first < n_text; first += n) {
    size_t n_batch = n_text - first < n ? n_text - first : n;
    for (size_t i = 0; i < n_batch; i++) batch[i] = texts[(first + i) * step % n_text];
    n_bad += attn_embed(workspace, model, batch, n_batch, NULL, &err, out[0]) != ATTN_OK;
    for (size_t i = 0; i < n_batch; i++) {
      n_bad += memcmp(out[i], expected[(first + i) * step % n_text], sizeof out[i]) != 0;
    }
  }
  return n_bad;
}

static void test_same_bits(const attn_model *model) {
  static const size_t steps[] = {1, 7, 89}; /* none shares a factor with n_text */
  static const size_t sizes[] = {2, 5, 31, N_TEXT};
  attn_workspace *workspace;
  attn_error err = {""};
  CHECK(attn_workspace_new(&workspace) == ATTN_OK);
  attn_set_threads(1);
  for (size_t i = 0; i < n_text; i++) {
    CHECK(attn_embed(workspace, model, &texts[i], 1, NULL, &err, expected[i]) == ATTN_OK);
  }
  CHECK(memcmp(expected[0], expected[1], sizeof expected[0]) != 0);
  for (uint32_t n = 1; n <= 8; n++) {
    attn_set_threads(n);
    for (int i = 0; i < 4; i++) {
      CHECK(count_differences(workspace, model, steps[(n + (uint32_t)i) % 3], sizes[i]) ==
            0);
    }
  }
  attn_workspace_free(workspace);
}

static void *embed_often(void *ctx) {
  shared *s = ctx;
  attn_workspace *workspace;
  size_t step = atomic_fetch_add(&s->n_order, 1) % 2 ? 7 : 89;
  int n_bad = attn_workspace_new(&workspace) != ATTN_OK;
  for (size_t n = n_text; n > 10 && n_bad == 0; n /= 3) {
    n_bad += count_differences(workspace, s->model, step, n);
  }
  attn_workspace_free(workspace);
  atomic_fetch_add(&s->n_bad, n_bad);
  return NULL;
}

static void test_many_embed(const attn_model *model) {
  shared s = {.model = model};
  for (uint32_t n = 2; n <= 8; n *= 4) {
    attn_set_threads(n);
    run_callers(embed_often, &s);
  }
  CHECK(s.n_bad == 0);
}

static void test_rounding(const attn_model *model) {
  attn_workspace *workspace;
  CHECK(attn_workspace_new(&workspace) == ATTN_OK);
  fesetround(FE_DOWNWARD);
  int n_bad = count_differences(workspace, model, 1, n_text);
  CHECK(fegetround() == FE_DOWNWARD);
  fesetround(FE_TONEAREST);
  CHECK(n_bad == 0);
  attn_workspace_free(workspace);
}

/* Texts are added one by one, and one that cannot be does not spoil the batch. */
static void test_steps(const attn_model *model) {
  static float out[N_TEXT][D];
  attn_workspace *workspace;
  attn_error err = {""};
  uint32_t n_token;
  CHECK(attn_workspace_new(&workspace) == ATTN_OK);
  CHECK(attn_embed_begin(workspace, model, NULL, &err) == ATTN_OK);
  CHECK(attn_embed_run(workspace, &err, NULL) == ATTN_OK); /* of nothing */
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < n_text; i++) {
      CHECK(attn_embed_add(workspace, texts[i], &err, &n_token) == ATTN_OK);
      CHECK(n_token >= 1 && n_token <= MAX_LENGTH);
      CHECK_STATUS(ATTN_INVALID,
                   attn_embed_add(workspace, (attn_text){"  ", 2}, &err, &n_token),
                   "the tokenizer of the model makes no token of a text of 2 bytes");
      CHECK(n_token == 0);
    }
    memset(out, 0, sizeof out);
    CHECK(attn_embed_run(workspace, &err, out[0]) == ATTN_OK);
    CHECK(memcmp(out, expected, n_text * sizeof out[0]) == 0);
  }
  attn_workspace_free(workspace);
}

static void test_no_memory(const attn_model *model) {
  static float out[N_TEXT][D];
  attn_error err = {""};
  attn_set_threads(4);
  int before = unit_live;
  for (int n = 1;; n++) {
    attn_workspace *workspace = NULL;
    unit_fail_at = n, unit_count = 0;
    attn_status status = attn_workspace_new(&workspace);
    if (status == ATTN_OK) {
      status = attn_embed(workspace, model, texts, n_text, NULL, &err, out[0]);
    }
    attn_workspace_free(workspace);
    CHECK(unit_live == before);
    if (status == ATTN_OK && unit_count < n) break;
    CHECK(status == ATTN_NOMEM);
  }
  unit_fail_at = 0;
  CHECK(memcmp(out, expected, n_text * sizeof out[0]) == 0);
}

/* ------------------------------------------------------------------------------- */

static void *plain_alloc(uint64_t n) {
  return malloc((size_t)n);
}
static void *plain_resize(void *p, uint64_t n) {
  return realloc(p, (size_t)n);
}

int main(void) {
  static const attn_allocator plain = {plain_alloc, plain_resize, free};
  unit_begin();
  test_quota();
  test_number();
  test_every_piece_once();
  test_all_at_a_time();
  test_stop();
  test_refused();
  test_surroundings();
  test_many_callers();
  test_fork();

  make_texts();
  if (strcmp(attn_isa_name(), "scalar") == 0 || unit_each(2) == 2) n_text = 8;
  attn_model *model = make_model();
  test_same_bits(model);
  test_rounding(model);
  test_steps(model);
  test_no_memory(model);
  attn_model_release(model);
  CHECK(unit_live == 0);

  attn_set_allocator(&plain); /* unit.h counts for one thread alone */
  model = make_model();
  test_many_embed(model);
  attn_model_release(model);
  return unit_end();
}
