/*
** test_damage.c - the models of tests/fixtures with one thing wrong: a setting, a tensor,
** an allocation, a read, what they are asked; or somebody interrupts.
*/
#include "damage.h"
#include "../../engine/model/model.h"

/* ------------------------------------------------------------ JSON, as json_tree has it
*/

enum { MAX_ENTRY = 4000 };

typedef struct document {
  attn_setting entry[MAX_ENTRY];
  size_t n;
} document;

/* The texts of documents, which stay to the end. */
typedef struct piece {
  struct piece *next;
  char text[];
} piece;
static piece *pieces;

static char *text_copy(const char *text, size_t n) {
  piece *p = malloc(sizeof *p + n + 1);
  memcpy(p->text, text, n);
  p->text[n] = 0;
  p->next = pieces;
  pieces = p;
  return p->text;
}

static void free_texts(void) {
  for (piece *next; pieces; pieces = next) {
    next = pieces->next;
    free(pieces);
  }
}

static const char *skip(const char *p) {
  return p + strspn(p, " \t\r\n");
}

/* The string that begins at its quote; its end is put in *p. */
static attn_text read_string(const char **p) {
  char *out = text_copy(*p + 1, strlen(*p));
  size_t n = 0;
  const char *c = *p + 1;
  for (; *c && *c != '"'; c++) {
    if (*c == '\\') c++;
    out[n++] = *c;
  }
  out[n] = 0;
  *p = *c ? c + 1 : c;
  return (attn_text){out, n};
}

static const char *read_value(document *d, const char *p, const char *path);

static const char *read_members(document *d, const char *p, const char *path) {
  char end = *p == '{' ? '}' : ']', member[600];
  int is_object = end == '}';
  p = skip(p + 1);
  for (unsigned i = 0; *p && *p != end; i++) {
    if (is_object) {
      attn_text key = read_string(&p);
      p = skip(p);
      snprintf(member, sizeof member, "%s.\"%s\"", path, key.text);
      p = skip(p + (*p == ':'));
    } else {
      snprintf(member, sizeof member, "%s[%u]", path, i);
    }
    p = skip(read_value(d, p, member));
    if (*p == ',') p = skip(p + 1);
  }
  return *p ? p + 1 : p;
}

static const char *read_value(document *d, const char *p, const char *path) {
  attn_setting *s = &d->entry[d->n++];
  if (d->n == MAX_ENTRY) exit(1);
  *s = (attn_setting){.path = text_copy(path, strlen(path))};
  if (*p == '{' || *p == '[') {
    s->kind = *p == '{' ? ATTN_OBJECT : ATTN_ARRAY;
    return read_members(d, p, path);
  }
  if (*p == '"') {
    attn_text text = read_string(&p);
    s->kind = ATTN_TEXT, s->text = text.text, s->n_text = text.n_text;
    return p;
  }
  size_t n = strcspn(p, ",]} \t\r\n");
  s->kind = *p == 'n'   ? ATTN_NULL
            : *p == 'f' ? ATTN_FALSE
            : *p == 't' ? ATTN_TRUE
                        : ATTN_REAL;
  if (s->kind == ATTN_REAL) {
    s->real = atof(p);
    if (strcspn(p, ".eE") >= n) s->kind = ATTN_INTEGER, s->integer = atoll(p);
  }
  return p + n;
}

/* ------------------------------------------------------------------------ the folders */

/* The text of a file, "" where there is none; to be freed. */
static char *read_text(const char *folder, const char *name, size_t skipped) {
  char path[300];
  snprintf(path, sizeof path, "tests/fixtures/%s/%s", folder, name);
  FILE *f = fopen(path, "rb");
  if (!f) return calloc(1, 1);
  fseek(f, 0, SEEK_END);
  size_t n = (size_t)ftell(f);
  fseek(f, (long)skipped, SEEK_SET);
  char *text = malloc(n + 1);
  text[fread(text, 1, n - skipped, f)] = 0;
  fclose(f);
  return text;
}

static void add_file(document *d, const char *folder, const char *name,
                     const char *path) {
  char *text = read_text(folder, name, 0);
  if (*text) read_value(d, skip(text), path);
  free(text);
}

typedef struct model {
  document settings;
  attn_tensor tensor[400];
  attn_source source;
  int fail_at, n_read; /* the read that fails, from 1 on */
} model;

static attn_status read_zeros(void *ctx, size_t i, uint64_t offset, uint64_t n, void *out,
                              attn_error *err) {
  model *m = ctx;
  if (offset + n > m->tensor[i].n_byte) exit(1);
  memset(out, 0, (size_t)n);
  if (++m->n_read != m->fail_at) return ATTN_OK;
  snprintf(err->message, sizeof err->message, "cannot read");
  return ATTN_IO;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const attn_tensor *)a)->name, ((const attn_tensor *)b)->name);
}

/* The entries of a header: an object a tensor, with dtype, shape and data_offsets. */
static void read_tensors(model *m, const char *folder, const char *prefix) {
  document *d = calloc(1, sizeof *d);
  char *text = read_text(folder, "model.safetensors", 8);
  read_value(d, text, "$");
  attn_tensor *t = &m->tensor[m->source.n_tensor] - 1;
  static const char *const hosts[] = {"roberta.", "distilbert."};
  for (size_t i = 1; i < d->n; i++) {
    const attn_setting *s = &d->entry[i];
    size_t n = strlen(s->path);
    if (s->kind == ATTN_OBJECT && strcmp(s->path, "$.\"__metadata__\"") != 0) {
      char name[300], *own = text_copy(s->path + 3, n - 4);
      for (int k = 0; k < 2; k++) {
        if (strncmp(own, hosts[k], strlen(hosts[k])) == 0) own += strlen(hosts[k]);
      }
      snprintf(name, sizeof name, "%s%s", prefix, own);
      *++t = (attn_tensor){.name = text_copy(name, strlen(name)), .dtype = ATTN_OTHER};
      m->source.n_tensor++;
    } else if (n > 8 && strcmp(s->path + n - 7, "\"dtype\"") == 0) {
      t->dtype = attn_dtype_find(s->text)->dtype;
      t->dtype_name = s->text;
      t->n_byte = attn_dtype_find(s->text)->size;
    } else if (strstr(s->path, ".\"shape\"[")) {
      t->dim[t->n_dim++] = s->integer;
      t->n_byte *= (uint64_t)s->integer;
    }
  }
  free(text);
  free(d);
}

static void read_folder(model *m, const char *folder) {
  char path[300], file[300];
  document *modules = calloc(1, sizeof *modules);
  memset(m, 0, sizeof *m);
  m->source = (attn_source){m->tensor, 0, read_zeros, m};
  add_file(&m->settings, folder, "config.json", "$.transformer");
  add_file(&m->settings, folder, "sentence_bert_config.json", "$.sentence");
  add_file(&m->settings, folder, "config_sentence_transformers.json",
           "$.sentence_transformers");
  add_file(&m->settings, folder, "tokenizer_config.json", "$.tokenizer_config");
  add_file(&m->settings, folder, "generation_config.json", "$.generation");
  read_tensors(m, folder, "");
  add_file(modules, folder, "modules.json", "$.modules");
  unsigned i = 0; /* of the module, whose path comes before its type */
  const char *place = "";
  for (size_t k = 0; k < modules->n; k++) {
    attn_setting *s = &m->settings.entry[m->settings.n++];
    *s = modules->entry[k];
    if (strstr(s->path, ".\"path\"")) place = s->text;
    if (!strstr(s->path, ".\"type\"")) continue;
    s->text = strrchr(s->text, '.') + 1;
    s->n_text = strlen(s->text);
    snprintf(path, sizeof path, "$.modules[%u].config", i++);
    snprintf(file, sizeof file, "%s/config.json", place);
    if (*place) add_file(&m->settings, folder, file, path);
    snprintf(file, sizeof file, "%s/%s", folder, place);
    snprintf(path, sizeof path, "%s/", place);
    if (strcmp(s->text, "Dense") == 0) read_tensors(m, file, path);
  }
  qsort(m->tensor, m->source.n_tensor, sizeof *m->tensor, by_name);
  free(modules);
}

/* -------------------------------------------------------------------------- damages */

static attn_status check(void *ctx, attn_settings *settings, attn_error *err) {
  model *m = ctx;
  attn_model_info info;
  attn_status status = attn_model_check(settings, &m->source, err);
  attn_error other = {""};
  if (status == ATTN_OK) CHECK(attn_model_describe(settings, &other, &info) == ATTN_OK);
  return status;
}

/* Every tensor of the model in the other precision. */
static attn_status conversion(void *ctx, attn_settings *settings, attn_error *err) {
  static char data[1 << 16];
  model *m = ctx;
  attn_conversion *r;
  m->n_read = 0;
  attn_status status = attn_conversion_new(settings, &m->source, (attn_stop){0}, err, &r);
  CHECK((status == ATTN_OK) == (r != NULL));
  const attn_source *source = r ? attn_conversion_source(r) : NULL;
  for (size_t i = 0; status == ATTN_OK && i < source->n_tensor; i++) {
    uint64_t n = source->tensor[i].n_byte;
    for (uint64_t at = 0, piece; status == ATTN_OK && at < n; at += piece) {
      piece = n - at < sizeof data ? n - at : sizeof data;
      status = source->read(source->ctx, i, at, piece, data, err);
    }
  }
  attn_conversion_free(r);
  return status;
}

static attn_status load(void *ctx, attn_settings *settings, attn_error *err) {
  model *m = ctx;
  attn_model *loaded;
  m->n_read = 0;
  attn_status status = attn_model_load(settings, NULL, &m->source, err, &loaded);
  CHECK((status == ATTN_OK) == (loaded != NULL));
  attn_model_release(loaded);
  return status;
}

/* One that loads where the settings are only looked at, too: generation, prompts. */
static attn_status check_and_load(void *ctx, attn_settings *settings, attn_error *err) {
  attn_status status = check(ctx, settings, err);
  return status == ATTN_OK ? load(ctx, settings, err) : status;
}

static void one(model *m, damage_reader read, attn_status wanted, const char *what) {
  attn_setting *copy = malloc(m->settings.n * sizeof *copy);
  attn_settings settings = {copy, m->settings.n};
  attn_error err = {""};
  int live = unit_live;
  memcpy(copy, m->settings.entry, m->settings.n * sizeof *copy);
  attn_status status = read(m, &settings, &err);
  if (wanted != ATTN_INVALID && status != wanted) printf("! %s: %s\n", what, err.message);
  if (wanted != ATTN_INVALID) CHECK(status == wanted);
  damage_check(status, &err, live, what, "");
  free(copy);
}

/* Each tensor is missing, and every third has other shapes and types. */
static void damage_tensors(model *m) {
  attn_tensor all[400];
  size_t n = m->source.n_tensor;
  memcpy(all, m->tensor, sizeof all);
  for (size_t i = 0; i < n; i++) {
    attn_tensor *t = &m->tensor[i];
    memmove(t, t + 1, (n - i - 1) * sizeof *t);
    m->source.n_tensor = n - 1;
    one(m, check, ATTN_INVALID, all[i].name);
    memcpy(m->tensor, all, sizeof all);
    m->source.n_tensor = n;
    if (i % 3) continue;
    for (int k = 0; k < ATTN_MAX_DIM; k++) {
      if (k < 3) t->dim[k] += 1;
      t->n_dim = k < 3 ? t->n_dim : k - 3;
      t->n_byte = attn_shape_bytes(t->dim, t->n_dim, 4);
      one(m, check, ATTN_INVALID, all[i].name);
      *t = all[i];
    }
    for (int dtype = ATTN_F32; dtype <= ATTN_OTHER; dtype++) {
      t->dtype = (attn_dtype)dtype;
      one(m, check, ATTN_INVALID, all[i].name);
      *t = all[i];
    }
  }
}

static void damage_reads(model *m, damage_reader read) {
  one(m, read, ATTN_OK, "as it is");
  int n = m->n_read;
  CHECK(n > 0);
  for (m->fail_at = 1; m->fail_at <= n; m->fail_at++) one(m, read, ATTN_IO, "a read");
  m->fail_at = 0;
}

/* As int8, which encoders alone can be. */
static void damage_recast(model *m) {
  m->settings.entry[m->settings.n++] = (attn_setting){
      .path = "$.precision", .kind = ATTN_TEXT, .text = "int8", .n_text = 4};
  damage_memory(m->settings.entry, m->settings.n, conversion, m);
  damage_reads(m, conversion);
  m->settings.n--;
}

/* ----------------------------------------------------------------------- what is asked
*/

/* A loaded model at work, which is told to stop when it asks for the stop_at-th time. */
typedef struct work {
  attn_model *model;
  int stop_at, n_ask;
} work;

static int requested(void *ctx) {
  work *w = ctx;
  return ++w->n_ask == w->stop_at;
}

static const int32_t ids[] = {3, 4, 2};

static attn_status generate(void *ctx, attn_settings *options, attn_error *err) {
  work *w = ctx;
  attn_generator *g;
  int32_t id = 0;
  double logprob;
  w->n_ask = 0;
  attn_status status = attn_generator_new(w->model, (attn_sequence){ids, 3}, options,
                                          (attn_stop){requested, w}, err, &g);
  CHECK((status == ATTN_OK) == (g != NULL));
  for (int i = 0; i < 4 && status == ATTN_OK && id >= 0; i++) {
    status = attn_generator_next(g, err, &id, &logprob);
  }
  attn_generator_free(g);
  return status;
}

static attn_status get_logits(void *ctx, attn_settings *options, attn_error *err) {
  work *w = ctx;
  const attn_model_info *info = attn_model_get_info(w->model);
  (void)options;
  float *out = malloc(3 * info->n_vocab * sizeof *out);
  w->n_ask = 0;
  attn_status status =
      attn_logits(w->model, (attn_sequence){ids, info->has_encoder ? 3 : 0},
                  (attn_sequence){ids, 3}, (attn_stop){requested, w}, err, out);
  free(out);
  return status;
}

static attn_status transform(void *ctx, attn_settings *options, attn_error *err) {
  work *w = ctx;
  size_t d = attn_model_get_info(w->model)->d_model;
  float *x = calloc(5 * d, sizeof *x), *out = malloc(3 * d * sizeof *out);
  w->n_ask = 0;
  attn_status status = attn_transform(w->model, &(attn_matrices){x, x + 2 * d, 2, 3},
                                      options, (attn_stop){requested, w}, err, out);
  free(x);
  free(out);
  return status;
}

static const char *const generator_options =
    "{\"max_tokens\":3,\"temperature\":0.7,\"top_k\":3,\"top_p\":0.9,\"seed\":7,\"eos\":["
    "1,2],"
    "\"cache\":true}";
static const char *const transform_options =
    "{\"causal\":true,\"src_mask\":[[0,true],[false,0.5]],\"tgt_key_padding_mask\":[0,0,"
    "true],"
    "\"memory_mask\":[[0,0],[0,0],[0,1]],\"memory_key_padding_mask\":[false,-1]}";

static void damage_call(work *w, const char *json, damage_reader call) {
  document *d = calloc(1, sizeof *d);
  read_value(d, json, "$");
  damage_settings(d->entry, d->n, call, w);
  damage_memory(d->entry, d->n, call, w);
  attn_status status = ATTN_INTERRUPTED;
  for (w->stop_at = 1; status == ATTN_INTERRUPTED && w->stop_at < 1000; w->stop_at++) {
    attn_settings settings = {d->entry, d->n};
    attn_error err = {""};
    int live = unit_live;
    status = call(w, &settings, &err);
    damage_check(status, &err, live, "a call", "interrupted");
    CHECK(status == ATTN_INTERRUPTED || status == ATTN_OK);
  }
  CHECK(status == ATTN_OK);
  w->stop_at = 0;
  free(d);
}

/* Batches of token ids that bert_mean (320 words, 64 tokens, 2 types) cannot take. */
static void damage_batches(const attn_model *model) {
  int32_t id[100] = {0};
  uint8_t type[100] = {0};
  uint32_t begin[] = {0, 3, 6}, skip[] = {0, 2};
  attn_batch batch = {id, begin, skip, 2, type};
  attn_workspace *ws;
  attn_error err;
  float out[64];
  CHECK(attn_workspace_new(&ws) == ATTN_OK);
  CHECK_STATUS(ATTN_OK, attn_encode(ws, model, &batch, NULL, &err, out), "");
  begin[2] = 3;
  CHECK_STATUS(ATTN_INVALID, attn_encode(ws, model, &batch, NULL, &err, out),
               "sequence 1 has 0 tokens; expected 1 to 64");
  begin[2] = 2;
  CHECK_STATUS(ATTN_INVALID, attn_encode(ws, model, &batch, NULL, &err, out),
               "sequence 1 has 0 tokens; expected 1 to 64");
  begin[2] = 68;
  CHECK_STATUS(ATTN_INVALID, attn_encode(ws, model, &batch, NULL, &err, out),
               "sequence 1 has 65 tokens; expected 1 to 64");
  begin[2] = 6, skip[1] = 3;
  CHECK_STATUS(ATTN_INVALID, attn_encode(ws, model, &batch, NULL, &err, out),
               "sequence 1 skips 3 of its 3 tokens");
  skip[1] = 0, id[4] = 320;
  CHECK_STATUS(
      ATTN_INVALID, attn_encode(ws, model, &batch, NULL, &err, out),
      "token id 320 of sequence 1; expected 0 to 319, as the model has embeddings");
  id[4] = -1;
  CHECK_STATUS(
      ATTN_INVALID, attn_encode(ws, model, &batch, NULL, &err, out),
      "token id -1 of sequence 1; expected 0 to 319, as the model has embeddings");
  id[4] = 0, type[5] = 2;
  CHECK_STATUS(
      ATTN_INVALID, attn_encode(ws, model, &batch, NULL, &err, out),
      "token type 2 in sequence 1; expected 0 to 1, as the model has embeddings");
  batch.type = NULL, batch.n_skip = NULL;
  CHECK_STATUS(ATTN_OK, attn_encode(ws, model, &batch, NULL, &err, out), "");
  attn_workspace_free(ws);
}

static void damage_calls(model *m, int is_first) {
  work w = {0};
  attn_settings settings = {m->settings.entry, m->settings.n};
  attn_error err = {""};
  CHECK(attn_model_load(&settings, NULL, &m->source, &err, &w.model) == ATTN_OK);
  const attn_model_info *info = attn_model_get_info(w.model);
  if (is_first) damage_batches(w.model);
  if (info->generates) damage_call(&w, generator_options, generate);
  if (info->generates) damage_call(&w, "{}", get_logits);
  if (info->transforms) damage_call(&w, transform_options, transform);
  attn_model_release(w.model);
}

int main(void) {
  static const char *const folders[] = {"st/bert_mean",
                                        "st/bert_concat",
                                        "st/bert_legacy",
                                        "st/bert_prompt",
                                        "st/bert_weighted",
                                        "st/distilbert",
                                        "st/roberta_bf16",
                                        "st/distilbert_sinusoidal",
                                        "st/bert_concat_legacy",
                                        "decoder/bart",
                                        "decoder/gpt2",
                                        "decoder/gpt2_untied",
                                        "decoder/marian",
                                        "decoder/mbart",
                                        "decoder/t5",
                                        "decoder/t5_gated",
                                        "decoder/torch",
                                        "decoder/torch_norm_first"};
  static model m;
  unit_begin();
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    read_folder(&m, folders[i]);
    one(&m, check, ATTN_OK, folders[i]);
    damage_settings(m.settings.entry, m.settings.n, check_and_load, &m);
    damage_memory(m.settings.entry, m.settings.n, load, &m);
    damage_tensors(&m);
    damage_reads(&m, load);
    if (strncmp(folders[i], "st/", 3) == 0) damage_recast(&m);
    damage_calls(&m, i == 0);
  }
  free_texts();
  CHECK(unit_live == 0);
  return unit_end();
}
