/*
** attn.h - the engine of libattn: tokenizers and Transformer encoders in C11.
**
** This is the one header that the layers above the engine include.  The engine
** knows no database, file or host: settings, vocabularies and tensors are
** handed in by the caller, vectors and rows are handed back.
**
** Conventions
**   - A function that can fail returns an attn_status.  Where it can say more,
**     it takes an attn_error, which then holds one sentence: what was found,
**     where, and what was expected.  Results leave through the last parameters;
**     after a failure they are NULL or zero.
**   - Nothing here prints, exits or asserts on data from outside.
**   - Text is UTF-8 with a length in bytes and need not end in NUL.  Bytes that
**     are no UTF-8 are read as U+FFFD, one per maximal invalid part (Unicode
**     15, table 3-8), as Rust's String::from_utf8_lossy does.
**   - Matrices are row-major float32.  "[n, d]" is n rows of d numbers.
**   - Same bits: for a given model and text the numbers are identical on every
**     instruction set, thread count, batch and position in a batch.
*/
#ifndef ATTN_H
#define ATTN_H

#include <stddef.h>
#include <stdint.h>

#define ATTN_VERSION "0.1.0"

/* ------------------------------------------------------------ status, errors */

typedef enum attn_status {
  ATTN_OK = 0,
  ATTN_NOMEM,       /* the allocator returned NULL */
  ATTN_INVALID,     /* data from outside is wrong; the error says how */
  ATTN_UNSUPPORTED, /* well-formed, but nothing that this engine can run */
  ATTN_IO,          /* a read callback failed; the error holds its message */
  ATTN_LIMIT,       /* more than a limit lets through; the error names it */
  ATTN_INTERRUPTED  /* the caller's stop callback asked for it */
} attn_status;

typedef struct attn_error {
  char message[512]; /* UTF-8, NUL-terminated, "" when there is none */
} attn_error;

/* A borrowed piece of text. */
typedef struct attn_text {
  const char *text;
  size_t n_text;
} attn_text;

/* --------------------------------------------------------------------- memory */

/* Where all memory of the engine comes from.  Default: malloc, realloc, free.
** Set it once, before any other call. */
typedef struct attn_allocator {
  void *(*alloc)(uint64_t n);
  void *(*resize)(void *p, uint64_t n);
  void (*release)(void *p);
} attn_allocator;

void attn_set_allocator(const attn_allocator *allocator);

/* Memory of it on a 64-byte boundary, on huge pages where it is large and the system has
** them.  Release with attn_release_aligned. */
void *attn_alloc_aligned(uint64_t n);
void attn_release_aligned(void *p);

/* ---------------------------------------------------------------------- order */

/* Sorts n items of `size` bytes, or moves the first k in order to the front, in order.
** `compare` is as for qsort; items that it finds equal come in any order.  Takes no
** memory. */
void attn_sort(void *items, size_t n, size_t size,
               int (*compare)(const void *a, const void *b));
void attn_sort_first(void *items, size_t n, size_t k, size_t size,
                     int (*compare)(const void *a, const void *b));

/* --------------------------------------------------------------------- limits */

/* Bounds for the whole process, whose memory and time they guard.  They hold for what is
** read, loaded or computed from then on. */
typedef enum attn_limit {
  ATTN_LIMIT_LAYERS,
  ATTN_LIMIT_HEADS,
  ATTN_LIMIT_DIMENSION,
  ATTN_LIMIT_FEED_FORWARD,
  ATTN_LIMIT_VOCABULARY,
  ATTN_LIMIT_TOKENS,
  ATTN_LIMIT_TENSOR_BYTES,
  ATTN_LIMIT_MODEL_BYTES,
  ATTN_LIMIT_CALL_BYTES,
  ATTN_N_LIMIT
} attn_limit;

typedef struct attn_limit_row {
  const char *name; /* "layers" */
  uint64_t maximum; /* where it stands at the start */
  const char *of;   /* what is counted */
} attn_limit_row;

const attn_limit_row *attn_limit_get_row(attn_limit which);

/* The limit of that name: 0 where there is none. */
int attn_limit_find(attn_text name, attn_limit *out);

/* The limit in force; lowers it, or raises it again up to its maximum.  value: 1 or more.
*/
uint64_t attn_limit_get(attn_limit which);
void attn_limit_set(attn_limit which, uint64_t value);

/* ATTN_LIMIT where `found` is more than the limit; the format, of printf, says what was
** found, as in "text 1 has 600 tokens". */
attn_status attn_limit_check(attn_limit which, uint64_t found, attn_error *err,
                             const char *format, ...);

/* ATTN_LIMIT where the n bytes of memory that a call takes are more than it may. */
attn_status attn_limit_call(uint64_t n, attn_error *err);

/* ---------------------------------------------------------------------- time */

/* Seconds of a clock that never goes back; differences alone mean something. */
double attn_seconds(void);

/* Asked now and then, by the calling thread; non-zero: ATTN_INTERRUPTED.  NULL: never. */
typedef struct attn_stop {
  int (*requested)(void *ctx);
  void *ctx;
} attn_stop;

/* ----------------------------------------------------------- the instruction set */

/* Chooses the kernels for this CPU, once per process.  `wanted` (the value of
** ATTN_ISA, or NULL) may lower the choice and never raises it: "scalar",
** "avx2", "avx512", "avx512vnni", "neon", "dotprod".  An unknown word, or a CPU
** without the baseline, is ATTN_INVALID.  Later calls return the first result. */
attn_status attn_isa_init(const char *wanted, attn_error *err);

/* The tier in use: one of the words above. */
const char *attn_isa_name(void);

/* -------------------------------------------------------------------- threads */

#define ATTN_MAX_THREADS 64

/* How many threads work on a batch at most, the caller's own included: n is cut to
** ATTN_MAX_THREADS; 1: never another; 0, as at the start: as many as there are cores
** that the process may use (its affinity, the CPU quota of its control groups).
** It is for the whole process.  Threads are started when there is work for them,
** have all signals blocked, and end when they had none for a second or are too
** many.  Where the system refuses one, the others do its work. */
void attn_set_threads(uint32_t n);

/* The number in force, never 0, and how many the engine has running now. */
void attn_get_threads(uint32_t *n, uint32_t *n_running);

/* ------------------------------------------------------------------- settings */

/* A JSON document, flattened by the caller (SQLite's json_tree): one entry per
** node.  `path` is json_tree's fullkey: "$.hidden_size", "$.modules[1].\"a.b\"".  Nodes
** with a path of 512 bytes or more may be left out.
** The engine sorts the array in place; the strings are borrowed for the call. */
typedef enum attn_kind {
  ATTN_NULL,
  ATTN_FALSE,
  ATTN_TRUE,
  ATTN_INTEGER,
  ATTN_REAL,
  ATTN_TEXT,
  ATTN_ARRAY,
  ATTN_OBJECT
} attn_kind;

typedef struct attn_setting {
  const char *path;
  attn_kind kind;
  int64_t integer;  /* kind INTEGER */
  double real;      /* kind INTEGER or REAL */
  const char *text; /* kind TEXT */
  size_t n_text;    /* its bytes */
} attn_setting;

typedef struct attn_settings {
  attn_setting *entry;
  size_t n_entry;
} attn_settings;

/* ------------------------------------------------------------------ tokenizer */

/* A tokenizer, immutable after it is made; any number of threads may use it.  Where a
** function takes one, NULL is a tokenizer that has no tokens, and that refuses texts. */
typedef struct attn_tokenizer attn_tokenizer;

/* The large parts of a tokenizer.json, which are not settings. */
typedef struct attn_vocab {
  const char *const *token; /* token[id], UTF-8; NULL where an id is unused */
  const uint32_t *n_token;  /* its bytes */
  uint32_t n;               /* ids are 0 .. n-1 */
  const attn_text *merge;   /* BPE: left and right of each, the first one first */
  uint32_t n_merge;         /* pairs */
} attn_vocab;

/* Makes a tokenizer from `settings`, a tokenizer.json without model.vocab and
** model.merges (Hugging Face tokenizers 0.22: normalizer, pre_tokenizer, model,
** post_processor, decoder, added_tokens).  All is copied.  A component that the engine
** does not have is ATTN_UNSUPPORTED and named in the error. */
attn_status attn_tokenizer_new(attn_settings *settings, const attn_vocab *vocab,
                               attn_error *err, attn_tokenizer **out);
void attn_tokenizer_free(attn_tokenizer *tokenizer);

/* Bytes of memory that it holds. */
uint64_t attn_tokenizer_memory(const attn_tokenizer *tokenizer);

typedef struct attn_token {
  int32_t id;
  uint32_t start, end; /* bytes of the original text; 0, 0 for a special token */
  uint8_t type;        /* its token type, as the template has it */
  uint8_t text;        /* 1, or 2 for the second of a pair; 0 for a special token */
} attn_token;

/* A list of tokens, grown as needed.  Start with all zero; free when done. */
typedef struct attn_tokens {
  attn_token *token;
  size_t n, n_alloc;
} attn_tokens;

void attn_tokens_free(attn_tokens *tokens);

/* Appends the tokens of a text, special tokens of the template included.
** max_length: tokens at most, special ones included (truncation on the right,
** as Hugging Face's LongestFirst does it for one text); 0: no limit.  A limit
** below the number of special tokens leaves the first of those.  The text is read
** only as far as its tokens are wanted.
** Example: "Hello world" gives [CLS] hello world [SEP]. */
attn_status attn_tokenize(const attn_tokenizer *tokenizer, const char *text,
                          size_t n_text, uint32_t max_length, attn_error *err,
                          attn_tokens *out);

/* The same for a pair of texts, as Hugging Face's tokenizer(a, b, truncation=True).
** Both are read to the end; where they are too long, the longer one is cut first.
** Example: "a" and "b" give [CLS] a [SEP] b [SEP], the last two of type 1. */
attn_status attn_tokenize_pair(const attn_tokenizer *tokenizer, const attn_text text[2],
                               uint32_t max_length, attn_error *err, attn_tokens *out);

/* A text that the engine makes, grown as needed.  Start with all zero; free when done. */
typedef struct attn_buffer {
  char *text;
  size_t n, n_alloc; /* bytes */
} attn_buffer;

void attn_buffer_free(attn_buffer *buffer);

/* Appends the text of n tokens, as the decoder of the settings makes it (Hugging Face
** tokenizers' decode).  Ids of no token are passed over, and special tokens are unless
** they are to be kept. */
attn_status attn_detokenize(const attn_tokenizer *tokenizer, const int32_t *id, size_t n,
                            int keep_special, attn_error *err, attn_buffer *out);

/* The token of an id (NULL for an unused one) and the id of a token (-1). */
const char *attn_token_text(const attn_tokenizer *tokenizer, int32_t id,
                            uint32_t *n_text);
int32_t attn_token_id(const attn_tokenizer *tokenizer, const char *text, size_t n_text);

/* 1 for one like [CLS], which stands for no part of a text. */
int attn_token_is_special(const attn_tokenizer *tokenizer, int32_t id);

/* --------------------------------------------------------------------- models */

typedef enum attn_dtype {
  ATTN_F32,
  ATTN_F16,
  ATTN_BF16,
  ATTN_I8,
  ATTN_I64,
  ATTN_OTHER /* carried along, never computed with */
} attn_dtype;

#define ATTN_MAX_DIM 8

/* One tensor of a source.  n_byte = product of dim x size of dtype. */
typedef struct attn_tensor {
  const char *name; /* as in the model tables, host prefixes stripped */
  attn_dtype dtype;
  const char *dtype_name; /* as it is stored; for attn_conversion alone */
  int n_dim;
  int64_t dim[ATTN_MAX_DIM];
  uint64_t n_byte;
} attn_tensor;

/* Where a model's weights are read from.  `tensor` is sorted by name
** (strcmp).  `read` copies bytes [offset, offset + n) of tensor number i. */
typedef struct attn_source {
  const attn_tensor *tensor;
  size_t n_tensor;
  attn_status (*read)(void *ctx, size_t i, uint64_t offset, uint64_t n, void *out,
                      attn_error *err);
  void *ctx;
} attn_source;

/* A loaded model: configuration, packed weights, tokenizer.  Immutable, shared
** between threads, counted. */
typedef struct attn_model attn_model;

/* How a model multiplies by the weights of its layers, and how it is stored. */
typedef enum attn_precision {
  ATTN_PRECISION_F32,
  ATTN_PRECISION_INT8 /* rows of both operands as integers with a scale each */
} attn_precision;

/* "f32" or "int8", and the precision of such a word: 0 where it is no other. */
const char *attn_precision_name(attn_precision precision);
int attn_precision_find(attn_text word, attn_precision *out);

/* What a model's settings say, whether its weights are loaded or not. */
typedef struct attn_model_info {
  char architecture
      [32];           /* "bert", "distilbert", ...; "tokenizer": nothing else is there */
  char pooling[64];   /* "mean", "cls", ... ("cls+mean" when concatenated) */
  uint32_t dimension; /* of the vector that embed returns */
  uint32_t n_layer, n_head, d_head, d_model, d_ff;
  uint32_t max_length; /* tokens, special ones included */
  int normalize;       /* 1: vectors have length 1 */
  uint32_t n_dense;    /* Dense modules behind the pooling */
  int embeds;          /* 1: it has a pooling, so attn_embed takes it */
  int generates;       /* 1: it has a head, so attn_logits and attn_generator take it */
  int transforms;      /* 1: it takes matrices, by attn_transform */
  int has_encoder;     /* 1: beside a decoder */
  uint32_t n_vocab;    /* 0: it takes no tokens */
  attn_precision precision;
} attn_model_info;

/* Reads the settings of a model alone.  Settings are one document with the
** files of a sentence-transformers folder as members:
**   $.transformer            config.json
**   $.sentence               sentence_bert_config.json
**   $.sentence_transformers  config_sentence_transformers.json
**   $.tokenizer_config       tokenizer_config.json
**   $.generation             generation_config.json
**   $.precision              "f32", also where it is missing, or "int8"
**   $.modules[i]             {"type": last component of its class, "path": ...,
**                             "config": its config.json}
** The tensors of a module other than the first are named "<path>/<name>".  Without
** modules there is no pooling.  A document that has $.tokenizer and no $.transformer is a
** tokenizer alone: its model has no weights. */
attn_status attn_model_describe(attn_settings *settings, attn_error *err,
                                attn_model_info *out);

/* 1 if models of that model_type have a decoder: without modules they pool nothing. */
int attn_model_type_decodes(const char *model_type);

/* Loads a model and checks every tensor that it uses against the settings.  The
** caller owns one reference to the result, which owns the tokenizer (NULL: it is given
** ids only); after a failure the tokenizer is still the caller's. */
attn_status attn_model_load(attn_settings *settings, attn_tokenizer *tokenizer,
                            const attn_source *source, attn_error *err, attn_model **out);

/* What sentence-transformers puts before a text: encode, encode_query and
** encode_document.  Empty where the model names none. */
typedef enum attn_prompt {
  ATTN_PROMPT_DEFAULT,
  ATTN_PROMPT_QUERY,
  ATTN_PROMPT_DOCUMENT,
  ATTN_N_PROMPT
} attn_prompt;

attn_text attn_model_prompt(const attn_model *model, attn_prompt which);

/* The checks of attn_model_load without loading: `source->read` is not called. */
attn_status attn_model_check(attn_settings *settings, const attn_source *source,
                             attn_error *err);

const attn_model_info *attn_model_get_info(const attn_model *model);
const attn_tokenizer *attn_model_tokenizer(const attn_model *model);
uint64_t attn_model_memory(const attn_model *model);

/* The models of the process.  What a database says of a model's content, the key, is
** believed of models from that database only: `acquire` returns a counted reference to
** such a one, or NULL.  `publish` puts a loaded model there and returns the reference to
** use: another's, if what came from elsewhere under that key is the same bit by bit. */
typedef struct attn_model_name {
  const char *key;    /* the content, by its own account */
  const char *origin; /* the database */
  const char *words;  /* the SHA-256 of what is no weight: configuration and tokenizer */
} attn_model_name;

attn_model *attn_model_acquire(const char *key, const char *origin);
attn_status attn_model_publish(const attn_model_name *name, attn_model *model,
                               attn_model **out);
void attn_model_retain(const attn_model *model); /* one more user */
void attn_model_release(const attn_model *model);

/* The row of a token in the table of words goes to out[d_model]; 0 where there is none of
** that id. */
int attn_model_token_embedding(const attn_model *model, int64_t id, float *out);

/* The k tokens whose rows make the smallest angle with vector[d_model], the nearest
** first, of equals the one of the smaller id; a zero vector has similarity 0 with all. */
typedef struct attn_near {
  int32_t id;
  double similarity; /* the cosine */
} attn_near;

attn_status attn_model_nearest(const attn_model *model, const float *vector, uint32_t k,
                               attn_error *err, attn_near **out, uint32_t *n);

/* Number of published models and the bytes that they hold. */
void attn_model_totals(uint32_t *n_model, uint64_t *n_byte);

/* ------------------------------------------------------- tensors stored as int8
**
** The weights of the layers and the table of words may be stored as int8: a tensor
** "x" of dtype I8 [n, k] with a tensor "x_scale" of dtype F32 [n, groups] beside it,
** where each 128 numbers of a row are a group, and the last group is what remains.
**
**   W[i][j] = scale[i][j / 128] (q[i] H)[j]
**
** where q are integers in -127 .. 127 and H is block-diagonal, of Hadamard matrices of
** +1 and -1, as large as the power of two that divides k is, 128 at most.  A model of
** either precision is loaded from either way of storing. */

/* A view of a source in a precision: its tensors are those of the other source, to and
** from int8.  Settings are those of the model that the view is to be; the other source
** is borrowed and checked as attn_model_check does it.  A tensor has to be read from its
** start to its end before its scales are.
**
** To int8, the model is loaded and run over a thousand tokens of its own vocabulary,
** and weights are rounded so that what its layers give there changes least (GPTQ, Frantar
** et al. 2022).  `stop` is asked meanwhile. */
typedef struct attn_conversion attn_conversion;

attn_status attn_conversion_new(attn_settings *settings, const attn_source *source,
                                attn_stop stop, attn_error *err, attn_conversion **out);
const attn_source *attn_conversion_source(const attn_conversion *conversion);
void attn_conversion_free(attn_conversion *conversion);

/* -------------------------------------------------------------------- encoding */

/* Scratch memory of one caller at a time, kept between calls. */
typedef struct attn_workspace attn_workspace;

attn_status attn_workspace_new(attn_workspace **out);
void attn_workspace_free(attn_workspace *workspace);

/* What there is to see in an encoder's forward pass of one sequence of n tokens. */
typedef enum attn_trace_kind {
  ATTN_TRACE_HIDDEN,  /* [n, d_model]: what enters layer 0, 1, ...; and, as layer
                    ** n_layer, what leaves the last one */
  ATTN_TRACE_QUERIES, /* [n, d_head] of a head */
  ATTN_TRACE_KEYS,    /* the same */
  ATTN_TRACE_VALUES,  /* the same */
  ATTN_TRACE_WEIGHTS  /* [some, n] of a head: the softmax by which some queries, one after
                    ** the other, attend to the tokens; all of them in a few views */
} attn_trace_kind;

/* A matrix of a forward pass where it stands: it lasts as long as the call. */
typedef struct attn_view {
  attn_trace_kind kind;
  size_t sequence; /* of the batch */
  uint32_t layer, head;
  size_t first; /* the token of row 0 */
  size_t n, d;  /* rows, columns */
  const float *x;
  size_t ld; /* floats from one row to the next */
} attn_view;

/* Is shown all views while they come into being.  With an observer a batch is run by
** the calling thread alone; the result has the same bits. */
typedef struct attn_observer {
  void (*see)(void *ctx, const attn_view *view);
  void *ctx;
} attn_observer;

/* How to embed; all zero is the plain way. */
typedef struct attn_embed_options {
  attn_text prompt; /* put before every text */
  const attn_observer *observer;
  /* Asked now and then, by the calling thread; non-zero: ATTN_INTERRUPTED */
  int (*stop)(void *ctx);
  void *ctx;
} attn_embed_options;

/* Embeds n texts: out is [n, dimension].
** Example: one text of all-MiniLM-L6-v2 gives 384 numbers of length 1. */
attn_status attn_embed(attn_workspace *workspace, const attn_model *model,
                       const attn_text *text, size_t n, const attn_embed_options *options,
                       attn_error *err, float *out);

/* The same in steps, for a caller that has its texts one after the other: begin, add
** each, run, add, run ...  A text is tokenized by `add` and not needed after; one
** that fails is not added.  n_token: its tokens.  run embeds the texts added since
** the last run, in this order.  Model and prompt are borrowed till the end. */
attn_status attn_embed_begin(attn_workspace *workspace, const attn_model *model,
                             const attn_embed_options *options, attn_error *err);
attn_status attn_embed_add(attn_workspace *workspace, attn_text text, attn_error *err,
                           uint32_t *n_token);
attn_status attn_embed_run(attn_workspace *workspace, attn_error *err, float *out);

/* The same from token ids: sequence i is id[begin[i] .. begin[i+1]), each of 1
** to max_length tokens; n_skip[i] (or NULL) leading tokens are left out of the
** pooling, for models whose prompts are not pooled; type[k] (or NULL: 0) is the
** token type of id[k], which a model of one type or none takes no notice of. */
typedef struct attn_batch {
  const int32_t *id;
  const uint32_t *begin; /* n + 1 entries */
  const uint32_t *n_skip;
  size_t n;
  const uint8_t *type;
} attn_batch;

attn_status attn_encode(attn_workspace *workspace, const attn_model *model,
                        const attn_batch *batch, const attn_embed_options *options,
                        attn_error *err, float *out);

/* ---------------------------------------------------------------- hidden words
**
** A model that learned by cloze has a head that names the words of a text that are hidden
** (BertForMaskedLM). */

/* The token that stands for a hidden word; -1 where the model cannot name any. */
int32_t attn_model_mask(const attn_model *model);

/* Hides some tokens, as learning by cloze does: `share` of those that are not special and
** that the model knows, one at least, drawn by the seed and the number of the text.  They
** are replaced in id[n] and returned, ascending: their places at[n] and what they were,
** was[n].  Returns how many. */
typedef struct attn_masking {
  double share;
  uint64_t seed;
} attn_masking;

/* From a JSON object, flattened: mask, the share (0.15), and seed (1). */
attn_status attn_masking_read(attn_settings *options, attn_error *err, attn_masking *out);

size_t attn_mask_tokens(const attn_model *model, const attn_masking *how, uint64_t number,
                        size_t n, int32_t *id, uint32_t *at, int32_t *was);

/* The probabilities of every word at n places of a batch, at[n] as numbers of its ids,
** ascending: out is [n, n_vocab].
** Example: of "the [MASK] sat", at 2, the largest may be that of cat. */
attn_status attn_fill_masks(attn_workspace *workspace, const attn_model *model,
                            const attn_batch *batch, const uint32_t *at, size_t n,
                            attn_stop stop, attn_error *err, float *out);

/* A row of it: the place of a word among the n, 1 for the likeliest, which is *best; and
** the k likeliest, the likeliest first.  Of equal ones that of the smaller id. */
typedef struct attn_prediction {
  int32_t id;
  float probability;
} attn_prediction;

uint32_t attn_rank(const float *probability, uint32_t n, int32_t id,
                   attn_prediction *best);
attn_status attn_most_likely(const float *probability, uint32_t n, uint32_t k,
                             attn_error *err, attn_prediction **out);

/* -------------------------------------------------------------------- decoding */

typedef struct attn_sequence {
  const int32_t *id;
  size_t n;
} attn_sequence;

/* The logits of a model that generates, out[target.n, n_vocab]: row i is what token i and
** those before it say of the next one.  The source is what the encoder reads, if the
** model has one.
** Example: the largest of the last row of GPT-2 is its next token. */
attn_status attn_logits(const attn_model *model, attn_sequence source,
                        attn_sequence target, attn_stop stop, attn_error *err,
                        float *out);

/* Matrices through an encoder and a decoder, as torch.nn.Transformer's forward does it:
** source[n_source, d_model] and target[n_target, d_model], of one row at least. */
typedef struct attn_matrices {
  const float *source, *target;
  uint32_t n_source, n_target;
} attn_matrices;

/* out is [n_target, d_model].  Options are a JSON object, flattened, with the names of
** torch's arguments:
**   causal       true: row i of the target sees rows 0 .. i of it
**   src_mask, tgt_mask, memory_mask
**                an array of rows, one a query, of elements, one a key: true hides a key,
**                false does not, a number is added to the score
**   src_key_padding_mask, tgt_key_padding_mask, memory_key_padding_mask
**                a row, for all queries */
attn_status attn_transform(const attn_model *model, const attn_matrices *in,
                           attn_settings *options, attn_stop stop, attn_error *err,
                           float *out);

/* Tokens one after the other.  Options are a JSON object, flattened:
**   max_tokens   how many at most (generation_config.json's max_new_tokens, or 128)
**   temperature  0: the likeliest token; else logits are divided by it and one is drawn
**                (1 where top_k, top_p or seed is given, else 0)
**   top_k        among the likeliest k (0: all)
**   top_p        among the likeliest, as few as have this probability (1)
**   seed         of what is drawn (0)
**   eos          the id, or ids, at which it ends (those of the configuration)
**   cache        false: keys and values are not kept, which changes nothing but speed */
typedef struct attn_generator attn_generator;

/* The prompt is what the encoder reads, if the model has one.  Borrows the model. */
attn_status attn_generator_new(const attn_model *model, attn_sequence prompt,
                               attn_settings *options, attn_stop stop, attn_error *err,
                               attn_generator **out);
void attn_generator_free(attn_generator *generator);

/* The next token: *id is -1 at the end.  logprob: the natural logarithm of the
** probability that the model gives it, whatever the temperature. */
attn_status attn_generator_next(attn_generator *generator, attn_error *err, int32_t *id,
                                double *logprob);

/* The text that this token adds to those before it, the prompt's included where the
** decoder goes on with it; until the next call.  A special token adds none, and a
** character of which some bytes are there waits for the token that completes it, or for
** the end.  The texts of all tokens, joined, are the text of all tokens.  For models with
** a tokenizer. */
attn_status attn_generator_text(attn_generator *generator, attn_error *err,
                                attn_text *out);

/* ----------------------------------------------------------------- safetensors */

/* A dtype as files and tables spell it. */
typedef struct attn_dtype_name {
  const char *name;
  uint32_t size; /* bytes of one number */
  attn_dtype dtype;
} attn_dtype_name;

/* NULL for a word that is no dtype. */
const attn_dtype_name *attn_dtype_find(const char *name);

/* "[30522,384]", as SQLite's JSON functions print it: the number of dimensions, or
** -1 where it is no list of at most ATTN_MAX_DIM sizes. */
int attn_shape_parse(const char *text, int64_t dim[ATTN_MAX_DIM]);

/* The bytes of a tensor; UINT64_MAX on overflow. */
uint64_t attn_shape_bytes(const int64_t *dim, int n_dim, uint32_t size);

/* An entry of a file's header; [begin, end) is in bytes of its data. */
typedef struct attn_safetensor {
  const char *name;
  const attn_dtype_name *dtype;
  int n_dim;
  int64_t dim[ATTN_MAX_DIM];
  uint64_t begin, end;
  uint32_t file; /* the caller's */
} attn_safetensor;

/* The length of the JSON header from a file's first 8 bytes. */
attn_status attn_safetensors_header(const uint8_t first[8], uint64_t n_file,
                                    attn_error *err, uint64_t *n_header);

/* Sorts the entries of a file by their place, and checks that each has the bytes
** that it claims and that together they are all of the data. */
attn_status attn_safetensors_check(attn_safetensor *tensor, size_t n, uint64_t n_data,
                                   attn_error *err);

/* --------------------------------------------------------------------- SHA-256 */

/* FIPS 180-4; names the content of a model. */
typedef struct attn_sha256 {
  uint32_t state[8];
  uint64_t n_byte;
  uint8_t block[64];
  void (*blocks)(uint32_t state[8], const uint8_t *block, size_t n);
} attn_sha256;

void attn_sha256_init(attn_sha256 *hash);
void attn_sha256_update(attn_sha256 *hash, const void *data, size_t n);
void attn_sha256_final(attn_sha256 *hash, char hex[65]);

/* -------------------------------------------------------------------------- vectors */

/*
** Vectors in the format of sqlite-vec, and what is computed with them.
**
**   float32   4 bytes an element, IEEE 754, little-endian
**   int8      1 byte an element, two's complement
**   bit       8 elements a byte, element 0 is its least significant bit
**
** The bytes are worked on where they lie; they need not be aligned.  Sums of
** float32 are made in double, in which every product of two of them is exact, and
** over 8 lanes joined by one fixed tree: the same bits on every machine.  A NaN
** that comes out of arithmetic is always 0x7FC00000.
*/

typedef enum attn_vector_type {
  ATTN_VECTOR_FLOAT32,
  ATTN_VECTOR_BIT,
  ATTN_VECTOR_INT8
} attn_vector_type;

typedef struct attn_vector {
  attn_vector_type type;
  size_t n;            /* elements, at least 1; of bits a multiple of 8 */
  const uint8_t *data; /* its bytes, borrowed if they are not owned */
  uint8_t *owned;      /* data again, or NULL */
} attn_vector;

/* "float32", "bit", "int8" */
const char *attn_vector_type_name(attn_vector_type type);

/* Releases what is owned; an all-zero vector is fine. */
void attn_vector_free(attn_vector *vector);

size_t attn_vector_bytes(const attn_vector *vector);

/* Element i < n as a number. */
double attn_vector_get(const attn_vector *vector, size_t i);

/* The elements of a float32 vector, aligned and in the byte order of this
** machine: values[n]. */
void attn_vector_floats(const attn_vector *vector, float *values);

/* 1 if none of n numbers is infinite or not a number. */
int attn_floats_are_finite(size_t n, const float *x);

/* ------------------------------------------------------------------- from, to */

/* Allocates; the elements are to be written to out->owned. */
attn_status attn_vector_new(attn_vector_type type, size_t n, attn_error *err,
                            attn_vector *out);

/* Borrows the bytes of a blob. */
attn_status attn_vector_from_blob(attn_vector_type type, const void *blob, size_t n_byte,
                                  attn_error *err, attn_vector *out);

/* Takes over values[n], which is memory from attne_alloc and changes its byte
** order where it has to. */
void attn_vector_from_floats(float *values, size_t n, attn_vector *out);

/* A vector of the same numbers, which stays valid as long as values[n] and stored[n] do:
** where numbers have another byte order than vectors, it is in `stored`. */
attn_vector attn_vector_of_floats(const float *values, size_t n, float *stored);

/* Reads a float32 or int8 vector from a JSON array:
**
**   vector = [ws] "[" [ws] number [ws] *( "," [ws] number [ws] ) "]" [ws]
**
** with the numbers of decimal.h, for int8 without fraction and exponent.  A
** number that is not finite as float32, or no int8, is out of range. */
attn_status attn_vector_from_json(attn_vector_type type, const char *text, size_t n_text,
                                  attn_error *err, attn_vector *out);

/* Writes a JSON array without spaces, "[0.1,-2.0]" or "[3,-128]"; an element that
** is not finite becomes null.  The caller releases *text (attne_release). */
attn_status attn_vector_to_json(const attn_vector *vector, attn_error *err, char **text,
                                size_t *n_text);

/* ----------------------------------------------------------------- arithmetic */

/* Fails unless the two vectors have the same type and length, as every function
** of two vectors below asks for. */
attn_status attn_vector_match(const attn_vector *a, const attn_vector *b,
                              attn_error *err);

/* a + b and a - b.  int8 stops at -128 and 127; bit vectors cannot be added. */
attn_status attn_vector_add(const attn_vector *a, const attn_vector *b, attn_error *err,
                            attn_vector *out);
attn_status attn_vector_subtract(const attn_vector *a, const attn_vector *b,
                                 attn_error *err, attn_vector *out);

/* x / |x| of a float32 vector; a zero vector stays what it is. */
attn_status attn_vector_normalize(const attn_vector *vector, attn_error *err,
                                  attn_vector *out);

/* float32 to int8, [-1, 1] to [-128, 127]: trunc((x + 1) / (2 / 255) - 128), cut
** to the range.  NaN gives 127. */
attn_status attn_vector_quantize_int8(const attn_vector *vector, attn_error *err,
                                      attn_vector *out);

/* float32 or int8 to bit: element > 0.  The length must be a multiple of 8. */
attn_status attn_vector_quantize_binary(const attn_vector *vector, attn_error *err,
                                        attn_vector *out);

/* ------------------------------------------------------------------ distances */

typedef enum attn_metric {
  ATTN_L2,      /* sqrt(sum (a - b)²), rounded to float32 where that is finite */
  ATTN_L1,      /* sum |a - b| */
  ATTN_COSINE,  /* 1 - a·b / (|a| |b|), rounded to float32; 1 for a zero vector */
  ATTN_HAMMING, /* number of bits that differ */
  ATTN_DOT      /* -a·b, rounded to float32 where that is finite */
} attn_metric;

/* Hamming is for bit vectors alone, the others are for float32 and int8. */
attn_status attn_vector_distance(attn_metric metric, const attn_vector *a,
                                 const attn_vector *b, attn_error *err, double *out);

/* ------------------------------------------------------------------------- matrices */

/*
** The steps of a Transformer, each alone, over matrices of the caller's.
**
** They run the kernels that the forward pass runs.  x[m, n] is m rows of n numbers, one
** after the other; sizes are at least 1.  NaN and infinity go where IEEE 754 takes them.
*/

/* y = activation(x W + bias).  W is [n_in, n_out] or, where it is stored as linear layers
** store it, its transpose [n_out, n_in]. */
typedef struct attn_product {
  size_t m, n_in, n_out;
  const float *x; /* [m, n_in] */
  const float *w;
  int is_transposed;
  const float *bias;    /* [n_out], or NULL: 0 */
  attn_text activation; /* empty: none */
  float *y;             /* [m, n_out] */

  /* Asked now and then; non-zero: ATTN_INTERRUPTED.  NULL: never. */
  int (*stop)(void *ctx);
  void *ctx;
} attn_product;

attn_status attn_matrix_product(const attn_product *product, attn_error *err);

/* y = activation(x); x[n].  Activations are relu, gelu, gelu_new, silu, tanh, sigmoid and
** linear, and further names that configurations have for them. */
attn_status attn_matrix_activate(attn_text activation, size_t n, const float *x,
                                 attn_error *err, float *y);

/* softmax of each row, in place: exp(x - max) / sum of these. */
void attn_matrix_softmax(size_t m, size_t n, float *x);

/* (x - mean) / sqrt(variance + eps) * weight + bias of each row; y may be x. */
void attn_matrix_layer_norm(size_t m, size_t n, const float *weight, const float *bias,
                            float eps, const float *x, float *y);

/* Scaled dot-product attention of several heads, whose vectors stand beside each other in
** the rows of q, k and v:
**   weights = softmax(scale q kᵀ + mask),  out = weights v    of each head
** The queries may be those of another sequence than the keys and values. */
typedef struct attn_attend {
  size_t n_query, n_key, n_head, d_key, d_value;
  const float *q;    /* [n_query, n_head d_key] */
  const float *k;    /* [n_key, n_head d_key] */
  const float *v;    /* [n_key, n_head d_value], or NULL: nothing but weights is wanted */
  const float *mask; /* [n_query, n_key], added to the scores of every head, or NULL */
  float scale;
  float *out;     /* [n_query, n_head d_value] */
  float *weights; /* [n_head, n_query, n_key], or NULL */

  int (*stop)(void *ctx); /* as above */
  void *ctx;
} attn_attend;

attn_status attn_matrix_attend(const attn_attend *attend, attn_error *err);

/* The two directions in which the rows of x[m, n] differ most (principal components):
** xy[m, 2] is where the rows are along them, from their mean; share[2] is the part of the
** variance that either holds.  The sign of a direction is that which makes its largest
** number positive.  stop and ctx as above. */
attn_status attn_matrix_principal(size_t m, size_t n, const float *x,
                                  int (*stop)(void *ctx), void *ctx, attn_error *err,
                                  double *xy, double share[2]);

/* The sinusoids of Vaswani et al. 2017: x[i, 2k] = sin(i / 10000^(2k / n)) and
** x[i, 2k + 1] = cos of the same. */
void attn_matrix_positions(size_t m, size_t n, float *x);

/* --------------------------------------------------------------------------- search */

/*
** Nearest vectors: codes, exact and approximate top-k, lists.
**
** A search of n vectors of d numbers is made of three things.
**
**   chunk   a few thousand vectors as codes of 4 bits a dimension, one blob, which
**           the caller stores; the vectors themselves stay with the caller.
**   search  one query: scans any number of chunks, then hands out rows in order
**           of distance, and fetches from the caller the few vectors whose codes
**           leave the order open.
**   lists   for more than a million rows: chunks sorted by k-means, so that a
**           query scans the nearest ones alone (an inverted file).
**
** The codes are RaBitQ's (Gao & Long, SIGMOD 2024; Gao et al., SIGMOD 2025).  From
** a code follow an estimate of the distance and a bound of its error.  A row is
** fetched only if its bound allows it among the results.  With the true bound
** (Cauchy-Schwarz, rounding included) the result is the exact one; with a bound of
** so many standard deviations it is almost always the same, and much sooner.
**
** Distances are those of attn_vector_distance, and rows at the same distance come in
** order of rowid: an exact search gives what sorting all rows would give.  Results
** have the same bits on every instruction set.
**
**     attn_chunk_shape shape = {ATTN_COSINE, 384, 1024};
**     void *chunk = malloc(attn_chunk_size(&shape));
**     attn_chunk_init(&shape, NULL, &err, chunk);
**     attn_chunk_put(chunk, 0, rowid, vector, &err);
**
**     attn_search_options options = {ATTN_COSINE, 384, .k = 10, .sigma = ATTN_SIGMA,
**                                    .fetch = read_vectors, .ctx = table};
**     attn_search_new(&options, &err, &search);
**     attn_search_begin(search, query, &err);
**     attn_search_scan(search, chunk, 0, NULL, &err);       ... chunk after chunk
**     while (attn_search_next(search, &err, &hit) == ATTN_OK && hit.found) ...
**     attn_search_free(search);
*/

#define ATTN_MAX_DIMENSION 65536

/* -------------------------------------------------------------------- chunks */

typedef struct attn_chunk_shape {
  attn_metric metric; /* ATTN_COSINE, ATTN_L2 or ATTN_DOT */
  uint32_t d;         /* 1 .. ATTN_MAX_DIMENSION */
  uint32_t n_slot;    /* rows at most: 64, 128, ... 65536 */
} attn_chunk_shape;

/* Bytes of a chunk: d / 2 + 20 a slot, and 4 d + 128.  Its memory is aligned to 8
** bytes; 64 is faster.  The layout stands at the head of chunk.c. */
uint64_t attn_chunk_size(const attn_chunk_shape *shape);

/* The mean of n vectors [n, d], each scaled to length 1 under ATTN_COSINE. */
attn_status attn_center(attn_metric metric, size_t d, const float *x, size_t n,
                        attn_error *err, float *center);

/* Makes an empty chunk.  Codes are of the difference to `center` [d] (NULL: zero),
** and the nearer to it the vectors lie, the sharper they are: the mean suits best,
** even of a part or of earlier rows.  Chunks that share a center are scanned faster. */
attn_status attn_chunk_init(const attn_chunk_shape *shape, const float *center,
                            attn_error *err, void *chunk);

/* Checks a chunk that comes from outside.  After that nothing in it can do worse
** than give wrong rows. */
attn_status attn_chunk_check(const attn_chunk_shape *shape, const void *chunk,
                             uint64_t n_byte, attn_error *err);

/* Puts a vector [d] into a slot, over what was there.  Numbers that are not finite
** are ATTN_INVALID. */
attn_status attn_chunk_put(void *chunk, uint32_t slot, int64_t rowid, const float *x,
                           attn_error *err);

/* Empties a slot. */
void attn_chunk_clear(void *chunk, uint32_t slot);

/* Bit s % 64 of live[s / 64] is set where slot s holds a row; its rowid. */
const uint64_t *attn_chunk_live(const void *chunk);
const int64_t *attn_chunk_rowid(const void *chunk);

/* The center of a chunk [d]. */
const float *attn_chunk_center(const void *chunk);

/* Packs a chunk, in place, into the form in which it is stored, mostly 8 bytes a slot
** shorter; the number of its bytes.  *anew: the form differs from the one before in
** more than the slots that were changed since.  Unpack it before anything else. */
uint64_t attn_chunk_pack(void *chunk, int *anew);
void attn_chunk_unpack(void *chunk);

/* Checks and unpacks a stored chunk: n_byte bytes in memory of attn_chunk_size. */
attn_status attn_chunk_receive(const attn_chunk_shape *shape, void *chunk,
                               uint64_t n_byte, attn_error *err);

/* The parts of a packed chunk that a put or a clear of n > 0 slots from `slot` on can
** change, for a caller that writes blobs in place.  Returns how many there are. */
typedef struct attn_range {
  uint64_t offset, n_byte;
} attn_range;

#define ATTN_CHUNK_RANGES 10

size_t attn_chunk_ranges(const void *chunk, uint32_t slot, uint32_t n,
                         attn_range range[ATTN_CHUNK_RANGES]);

/* The live slots whose rowid is among n ascending ones, as bits [n_slot / 64]. */
void attn_chunk_filter(const void *chunk, const int64_t *rowid, size_t n,
                       uint64_t *filter);

/* -------------------------------------------------------------------- search */

/* One query after another; of one thread at a time. */
typedef struct attn_search attn_search;

/* A row; `chunk` is the number that the caller gave it. */
typedef struct attn_row {
  int64_t rowid;
  uint32_t chunk, slot;
} attn_row;

typedef struct attn_hit {
  attn_row row;
  double distance;
  int found; /* 0: there are no more */
} attn_hit;

/* With the bound at 1.75 standard deviations recall@10 is above 0.99, even for
** vectors without any structure. */
#define ATTN_SIGMA 1.75

typedef struct attn_search_options {
  attn_metric metric;
  uint32_t d;
  uint64_t k;                 /* rows wanted; 0: all may be, one after another */
  const double *max_distance; /* rows at this distance or nearer; NULL: all */
  double sigma;               /* 0: exact; else the bound in standard deviations */

  /* Writes the vectors of n rows (8 at most) to out [n, d]. */
  attn_status (*fetch)(void *ctx, const attn_row *row, size_t n, attn_error *err,
                       float *out);
  int (*stop)(void *ctx); /* or NULL; non-zero: ATTN_INTERRUPTED */
  void *ctx;
} attn_search_options;

attn_status attn_search_new(const attn_search_options *options, attn_error *err,
                            attn_search **out);
void attn_search_free(attn_search *search);

/* Begins with a query [d], which is copied, and forgets the one before. */
attn_status attn_search_begin(attn_search *search, const float *query, attn_error *err);

/* Scans a chunk (checked, of the same metric and d), the rows in `filter` alone
** where that is not NULL.  The chunk may be released afterwards. */
attn_status attn_search_scan(attn_search *search, const void *chunk, uint32_t number,
                             const uint64_t *filter, attn_error *err);

/* Rows that the scans since attn_search_begin have met, filtered ones not counted:
** who scans lists goes on until they are k. */
uint64_t attn_search_scanned(const attn_search *search);

/* The next row in order of distance, then rowid, of those scanned.  Further chunks
** may be scanned in between; rows come in order from then on. */
attn_status attn_search_next(attn_search *search, attn_error *err, attn_hit *hit);

/* --------------------------------------------------------------------- lists */

#define ATTN_MAX_IVF_LISTS 65536

/* The centers of an inverted file, themselves searched as a chunk.  Immutable. */
typedef struct attn_ivf attn_ivf;

typedef struct attn_kmeans_options {
  attn_metric metric;
  uint32_t d;
  uint32_t n_list;  /* 1 .. 65536; about the square root of the rows */
  uint32_t n_round; /* of Lloyd's algorithm; 0: 10 */
  uint64_t seed;    /* the same seed and sample give the same centers */
  int (*stop)(void *ctx);
  void *ctx;
} attn_kmeans_options;

/* Places centers [n_list, d] by k-means from a sample of rows [n, d], n >= n_list;
** 64 rows a list are enough. */
attn_status attn_kmeans(const attn_kmeans_options *options, const float *x, size_t n,
                        attn_error *err, float *center);

attn_status attn_ivf_new(attn_metric metric, uint32_t d, uint32_t n_list,
                         const float *center, attn_error *err, attn_ivf **out);
void attn_ivf_free(attn_ivf *lists);

/* How many they are; the center [d] of one. */
uint32_t attn_ivf_count(const attn_ivf *lists);
const float *attn_ivf_center(const attn_ivf *lists, uint32_t list);

/* The n <= n_list nearest lists to a vector [d], nearest first: the one that a row
** belongs to (n = 1), those that a query probes. */
attn_status attn_ivf_nearest(const attn_ivf *lists, const float *x, uint32_t n,
                             attn_error *err, uint32_t *list);

/* ------------------------------------------------------------------------- training */

/*
** Training a model on texts: what all kinds of training have in common.
**
** A run of a kind goes through these steps, and whoever drives it (sql/train/train.c)
** calls them in this order:
**
**   new       the options, checked
**   add       each text of the corpus
**   prepare   the vocabulary, the first weights
**   seek      after the blocks of its state have been filled, to go on where a run of the
**             same options and corpus stood
**   step      again and again until progress says that all are done; each takes a few
**             milliseconds to a few seconds
**   result    the tensors of the model and its configuration
**
** Between two steps the state of a run is the number of steps done and the floats of its
** blocks, nothing else: whatever is random in step i comes from the seed and i.  That is
** why a run that was interrupted ends with the same bits as one that was not.
*/

typedef enum attn_option_type {
  ATTN_OPTION_INTEGER,
  ATTN_OPTION_REAL,
  ATTN_OPTION_BOOL
} attn_option_type;

typedef struct attn_train_option {
  const char *name;
  attn_option_type type;
  double value;    /* its default */
  double min, max; /* both included */
  int is_free;     /* 1: may change when a run is resumed */
} attn_train_option;

typedef struct attn_trainer attn_trainer;

/* Makes a run from options as JSON: an object whose $.kind is text (default "cbow") and
** whose other members are options of that kind, or of every run:
**   progress    seconds between two reports; 0: after every step
**   checkpoint  seconds after which the state is to be kept; 0: with every report
**   restart     an interrupted run of that name is forgotten */
attn_status attn_trainer_new(attn_settings *options, attn_error *err, attn_trainer **out);
void attn_trainer_free(attn_trainer *trainer);

/* The value of an option that every kind has: one of the above. */
double attn_trainer_option(const attn_trainer *trainer, const char *name);

/* The options that have to be the same when it is resumed, as JSON; $.kind first. */
attn_status attn_trainer_options(const attn_trainer *trainer, attn_error *err,
                                 char **out);

/* The configuration of the model as attn_model.config holds it, memory to be released.
** Its $.tokenizer is right from the beginning, and what cuts the texts into words. */
attn_status attn_trainer_config(const attn_trainer *trainer, attn_error *err, char **out);

/* `words` is borrowed until prepare. */
void attn_trainer_set_words(attn_trainer *trainer, const attn_tokenizer *words);
attn_status attn_trainer_add(attn_trainer *trainer, attn_text text, attn_error *err);
attn_status attn_trainer_prepare(attn_trainer *trainer, attn_error *err);

/* Names the corpus, as far as training depends on it. */
void attn_trainer_corpus(const attn_trainer *trainer, char sha256[65]);

typedef struct attn_train_progress {
  uint64_t step, n_step;   /* done; in all */
  uint32_t epoch, n_epoch; /* the one at work, from 1 */
  uint64_t n_word;         /* words of the corpus that were read, in all epochs so far */
  uint64_t n_word_all;     /* and that will be in all */
  double loss; /* mean of an example since it was last asked; negative: there was none */
  double learning_rate;
} attn_train_progress;

void attn_trainer_progress(attn_trainer *trainer, attn_train_progress *out);

/* Floats that make up the state; valid from prepare to result. */
typedef struct attn_train_block {
  const char *name;
  float *data;
  uint64_t n;
} attn_train_block;

enum { ATTN_TRAIN_BLOCKS = 8 };

int attn_trainer_blocks(const attn_trainer *trainer,
                        attn_train_block block[ATTN_TRAIN_BLOCKS]);

/* Steps done. */
uint64_t attn_trainer_step_number(const attn_trainer *trainer);

attn_status attn_trainer_seek(attn_trainer *trainer, uint64_t step, attn_error *err);

/* stop is asked between pieces of a step, by the calling thread.  A step that it ended
** is ATTN_INTERRUPTED, and the run can only be freed. */
attn_status attn_trainer_step(attn_trainer *trainer, int (*stop)(void *ctx), void *ctx,
                              attn_error *err);

/* The model, in the trainer's memory.  After it there are no more steps. */
typedef struct attn_train_result {
  const attn_tensor *tensor; /* F32, sorted by name */
  const float *const *data;
  size_t n_tensor;
  attn_text (*token)(const attn_trainer *trainer, uint32_t id);
  uint32_t n_token;
} attn_train_result;

attn_status attn_trainer_result(attn_trainer *trainer, attn_error *err,
                                attn_train_result *out);

/* ------------------------------------------------------------ training a vocabulary */

/*
** Learning the vocabulary of a tokenizer from texts, as Hugging Face's
** BpeTrainer and WordPieceTrainer do.
*/

typedef struct attn_vocab_options {
  uint32_t vocab_size;      /* tokens at most, special ones and characters included */
  uint64_t min_frequency;   /* of a pair, to be merged */
  const attn_text *special; /* the first tokens */
  size_t n_special;
  uint32_t limit_alphabet; /* characters at most; UINT32_MAX: all that there are */
  attn_text alphabet;      /* characters that are kept first, seen or not */
  attn_text prefix,
      suffix; /* of a character that is not a word's first; that is its last */
  uint64_t max_token_length; /* characters of a token; 0: no limit */
} attn_vocab_options;

/* A run: new, add the words of every text, learn, result.  Options are borrowed. */
typedef struct attn_vocab_trainer attn_vocab_trainer;

attn_status attn_vocab_trainer_new(const attn_vocab_options *options, attn_error *err,
                                   attn_vocab_trainer **out);
void attn_vocab_trainer_free(attn_vocab_trainer *trainer);

/* Counts the words of a text; `words` has the normalizer and the pre-tokenizer that cut
** it, and any model. */
attn_status attn_vocab_trainer_add(attn_vocab_trainer *trainer,
                                   const attn_tokenizer *words, attn_text text,
                                   attn_error *err);

/* stop is asked now and then by the calling thread; non-zero: ATTN_INTERRUPTED.  A
** vocab_size that special tokens and characters fill already is ATTN_INVALID, and so are
** texts in which there is no word. */
attn_status attn_vocab_trainer_learn(attn_vocab_trainer *trainer, int (*stop)(void *ctx),
                                     void *ctx, attn_error *err);

/* What was learned, valid as long as the trainer: tokens by id and the merges. */
attn_status attn_vocab_trainer_result(attn_vocab_trainer *trainer, attn_error *err,
                                      attn_vocab *out);

#endif
