/*
** vocab_trainer.c - learning the vocabulary of a tokenizer (Sennrich, Haddow and Birch
** 2016).
**
** The first tokens are the special ones, then the characters of the texts in order of
** their code points, then those that have a prefix or a suffix.  Every word begins as its
** characters, and the pair of neighbors that is the most frequent in all texts becomes a
** token, again and again, until there are enough tokens.  Of equal pairs the one of the
** lower ids comes first.
**
** As Hugging Face's BpeTrainer does it: pairs wait in a heap, with the words in which
** they appeared, and with the count that they had when they were put there.  One whose
** count has changed goes back with the new one.  A pair that appears in further words
** later is in the heap once more, with these words, and makes one more merge, of which
** the last counts.  The library goes through its words in the order of a hash table that
** differs from run to run, so where ids depend on it they are random there; here the
** characters with a prefix or a suffix are in order, and of the rarest characters, which
** limit_alphabet drops, the higher ones go first.
*/
#include "names.h"
#include "../tokenizer/unicode.h"
#include "../tokenizer/words.h"

#define NONE UINT32_MAX
enum { CHECK_EVERY = 4096 };

typedef struct symbol {
  uint32_t id, n_char;
} symbol;

typedef struct list {
  uint32_t *word;
  uint32_t n, n_alloc;
} list;

typedef struct pair {
  uint32_t left, right;
  int64_t count;
  uint32_t rank; /* of its last merge, or NONE */
  list words;    /* in which it has appeared since it was last put into the heap */
} pair;

typedef struct candidate {
  int64_t count;
  uint32_t pair;
  uint64_t number; /* of equal ones, the older comes first */
  list words;
} candidate;

struct attn_vocab_trainer {
  const attn_vocab_options *options;
  attne_names words, tokens;
  symbol *symbol;   /* the words, one behind the other */
  uint64_t *begin;  /* of a word among them: [n + 1]; it may end before the next begins */
  uint32_t *length; /* of a word, in symbols */
  pair *pair;
  size_t n_pair, n_pair_alloc;
  uint32_t *slot; /* of pairs: open addressing, number + 1, or 0 */
  unsigned n_slot_log2;
  candidate *heap;
  size_t n_heap, n_heap_alloc;
  uint64_t n_pushed;
  uint32_t *touched; /* pairs with words that are not in the heap */
  size_t n_touched, n_touched_alloc;
  uint32_t *merge; /* pair of each merge */
  size_t n_merge, n_merge_alloc;
  const char **token; /* the result */
  uint32_t *n_token;
  attn_text *merged;
  int (*stop)(void *ctx);
  void *ctx;
};

typedef struct attn_vocab_trainer trainer;

/* Room for one more of a list. */
static attn_status reserve(void *list, size_t n, size_t *n_alloc, size_t size,
                           attn_error *err) {
  void **at = list;
  if (n < *n_alloc) return ATTN_OK;
  size_t more = 2 * *n_alloc + 64;
  void *p = attne_resize(*at, (uint64_t)more * size);
  if (!p) return attne_no_memory(err);
  *at = p;
  *n_alloc = more;
  return ATTN_OK;
}

attn_status attn_vocab_trainer_new(const attn_vocab_options *options, attn_error *err,
                                   attn_vocab_trainer **out) {
  *out = attne_alloc_zero(sizeof **out);
  if (!*out) return attne_no_memory(err);
  (*out)->options = options;
  return ATTN_OK;
}

void attn_vocab_trainer_free(attn_vocab_trainer *t) {
  if (!t) return;
  attne_names_free(&t->words);
  attne_names_free(&t->tokens);
  for (size_t i = 0; i < t->n_pair; i++) attne_release(t->pair[i].words.word);
  for (size_t i = 0; i < t->n_heap; i++) attne_release(t->heap[i].words.word);
  void *memory[] = {t->symbol,  t->begin, t->length,        t->pair,    t->slot,  t->heap,
                    t->touched, t->merge, (void *)t->token, t->n_token, t->merged};
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) attne_release(memory[i]);
  attne_release(t);
}

/* ------------------------------------------------------------------------- counting */

typedef struct adding {
  trainer *trainer;
  attn_error *err;
} adding;

static attn_status count_word(void *ctx, attn_text word) {
  adding *a = ctx;
  trainer *t = a->trainer;
  uint32_t i = 0;
  attn_status rc = attne_names_add(&t->words, word, a->err, &i);
  if (rc == ATTN_OK) t->words.count[i]++;
  return rc;
}

attn_status attn_vocab_trainer_add(attn_vocab_trainer *t, const attn_tokenizer *words,
                                   attn_text text, attn_error *err) {
  adding a = {t, err};
  return attne_tokenizer_words(words, text, UINT64_MAX, count_word, &a, err);
}

/* ------------------------------------------------------------------------- alphabet */

/* The next character of a text, which is cut off. */
static attn_text take_char(attn_text *text) {
  uint32_t c;
  attn_text out = {text->text, attne_utf8_decode(text->text, text->n_text, &c)};
  text->text += out.n_text;
  text->n_text -= out.n_text;
  return out;
}

typedef struct letter {
  attn_text text;
  uint64_t count;
} letter;

static int compare_text(attn_text a, attn_text b) {
  int c = memcmp(a.text, b.text, a.n_text < b.n_text ? a.n_text : b.n_text);
  return c ? c : (a.n_text > b.n_text) - (a.n_text < b.n_text);
}

/* UTF-8 sorts by code point. */
static int by_text(const void *a, const void *b) {
  return compare_text(((const letter *)a)->text, ((const letter *)b)->text);
}

static int by_count(const void *a, const void *b) {
  const letter *x = a, *y = b;
  if (x->count != y->count) return x->count > y->count ? -1 : 1;
  return by_text(a, b);
}

static attn_status add_token(trainer *t, attn_text text, attn_error *err) {
  uint32_t id;
  return attne_names_add(&t->tokens, text, err, &id);
}

/* The letters of a list of names as sorted tokens, the first n of them by count. */
static attn_status add_sorted(trainer *t, const attne_names *names, uint32_t limit,
                              attn_error *err) {
  letter *list = attne_alloc((names->n + UINT64_C(1)) * sizeof *list);
  if (!list) return attne_no_memory(err);
  for (uint32_t i = 0; i < names->n; i++) {
    list[i] = (letter){attne_names_text(names, i), names->count[i]};
  }
  uint32_t n = names->n < limit ? names->n : limit;
  attn_sort_first(list, names->n, n, sizeof *list, by_count);
  attn_sort(list, n, sizeof *list, by_text);
  attn_status rc = ATTN_OK;
  for (uint32_t i = 0; rc == ATTN_OK && i < n; i++) rc = add_token(t, list[i].text, err);
  attne_release(list);
  return rc;
}

static attn_status count_letters(attne_names *letters, attn_text text, uint64_t n,
                                 attn_error *err) {
  attn_status rc = ATTN_OK;
  while (rc == ATTN_OK && text.n_text) {
    uint32_t i = 0;
    rc = attne_names_add(letters, take_char(&text), err, &i);
    if (rc != ATTN_OK) return rc;
    letters->count[i] = n == UINT64_MAX ? n : letters->count[i] + n;
  }
  return rc;
}

static attn_status add_alphabet(trainer *t, attn_error *err) {
  attne_names letters = {0};
  attn_status rc = ATTN_OK;
  for (uint32_t i = 0; rc == ATTN_OK && i < t->words.n; i++) {
    rc = count_letters(&letters, attne_names_text(&t->words, i), t->words.count[i], err);
  }
  if (rc == ATTN_OK) rc = count_letters(&letters, t->options->alphabet, UINT64_MAX, err);
  if (rc == ATTN_OK) rc = add_sorted(t, &letters, t->options->limit_alphabet, err);
  attne_names_free(&letters);
  return rc;
}

/* A character as it is written in a word, in a buffer that is used again. */
static attn_status write_letter(const trainer *t, attn_text c, int is_first, int is_last,
                                attn_error *err, attn_buffer *out) {
  const attn_vocab_options *o = t->options;
  out->n = 0;
  attn_status rc = ATTN_OK;
  if (!is_first) rc = attne_buffer_add(out, o->prefix.text, o->prefix.n_text);
  if (rc == ATTN_OK) rc = attne_buffer_add(out, c.text, c.n_text);
  if (rc == ATTN_OK && is_last)
    rc = attne_buffer_add(out, o->suffix.text, o->suffix.n_text);
  return rc == ATTN_OK ? rc : attne_no_memory(err);
}

/* Calls `use` for each character of a word that is in the alphabet. */
typedef attn_status (*letter_user)(trainer *t, void *ctx, attn_text written,
                                   attn_error *err);

static attn_status each_letter(trainer *t, attn_text word, attn_buffer *buffer,
                               letter_user use, void *ctx, attn_error *err) {
  attn_status rc = ATTN_OK;
  for (int is_first = 1; rc == ATTN_OK && word.n_text; is_first = 0) {
    attn_text c = take_char(&word);
    if (attne_names_find(&t->tokens, c) == NONE) continue;
    rc = write_letter(t, c, is_first, word.n_text == 0, err, buffer);
    if (rc == ATTN_OK) rc = use(t, ctx, (attn_text){buffer->text, buffer->n}, err);
  }
  return rc;
}

static attn_status note_form(trainer *t, void *ctx, attn_text written, attn_error *err) {
  uint32_t i;
  if (attne_names_find(&t->tokens, written) != NONE) return ATTN_OK;
  return attne_names_add(ctx, written, err, &i);
}

static attn_status put_symbol(trainer *t, void *ctx, attn_text written, attn_error *err) {
  uint64_t *n = ctx;
  (void)err;
  t->symbol[(*n)++] = (symbol){attne_names_find(&t->tokens, written), 1};
  return ATTN_OK;
}

/* Adds the characters with a prefix or a suffix. */
static attn_status add_forms(trainer *t, attn_error *err) {
  attne_names forms = {0};
  attn_buffer buffer = {0};
  attn_status rc = ATTN_OK;
  if (t->options->prefix.n_text == 0 && t->options->suffix.n_text == 0) return ATTN_OK;
  for (uint32_t i = 0; rc == ATTN_OK && i < t->words.n; i++) {
    rc = each_letter(t, attne_names_text(&t->words, i), &buffer, note_form, &forms, err);
  }
  if (rc == ATTN_OK) rc = add_sorted(t, &forms, UINT32_MAX, err);
  attn_buffer_free(&buffer);
  attne_names_free(&forms);
  return rc;
}

/* The words as symbols. */
static attn_status put_words(trainer *t, attn_error *err) {
  attn_buffer buffer = {0};
  uint64_t n = 0, n_text = t->words.begin[t->words.n];
  t->symbol = attne_alloc(n_text * sizeof *t->symbol);
  t->begin = attne_alloc((t->words.n + UINT64_C(1)) * sizeof *t->begin);
  t->length = attne_alloc(t->words.n * sizeof *t->length);
  if (!t->symbol || !t->begin || !t->length) return attne_no_memory(err);
  attn_status rc = ATTN_OK;
  for (uint32_t i = 0; rc == ATTN_OK && i < t->words.n; i++) {
    t->begin[i] = n;
    rc = each_letter(t, attne_names_text(&t->words, i), &buffer, put_symbol, &n, err);
    t->length[i] = (uint32_t)(n - t->begin[i]);
  }
  attn_buffer_free(&buffer);
  return rc;
}

/* ---------------------------------------------------------------------------- pairs */

static uint64_t pair_hash(uint32_t left, uint32_t right) {
  uint64_t both = (uint64_t)left << 32 | right;
  return (both ^ both >> 29) * UINT64_C(0x9E3779B97F4A7C15);
}

static uint32_t *find_slot(const trainer *t, uint32_t left, uint32_t right) {
  uint64_t mask = (UINT64_C(1) << t->n_slot_log2) - 1;
  uint64_t i = pair_hash(left, right) >> (64 - t->n_slot_log2);
  for (;; i = (i + 1) & mask) { /* ids are ours: nobody makes them collide */
    uint32_t *slot = &t->slot[i];
    if (*slot == 0) return slot;
    const pair *p = &t->pair[*slot - 1];
    if (p->left == left && p->right == right) return slot;
  }
}

static attn_status grow_slots(trainer *t, attn_error *err) {
  unsigned n_log2 = t->n_slot_log2 ? t->n_slot_log2 + 1 : 12;
  uint32_t *slot = n_log2 > 31 ? NULL : attne_alloc_zero(sizeof *slot << n_log2);
  if (!slot) return attne_no_memory(err);
  attne_release(t->slot);
  t->slot = slot;
  t->n_slot_log2 = n_log2;
  for (size_t i = 0; i < t->n_pair; i++) {
    *find_slot(t, t->pair[i].left, t->pair[i].right) = (uint32_t)i + 1;
  }
  return ATTN_OK;
}

/* The number of a pair, which is made where it is new. */
static attn_status find_pair(trainer *t, uint32_t left, uint32_t right, attn_error *err,
                             uint32_t *out) {
  attn_status rc = ATTN_OK;
  if (t->n_slot_log2 == 0 || 2 * t->n_pair >= (size_t)1 << t->n_slot_log2) {
    rc = grow_slots(t, err);
  }
  if (rc == ATTN_OK) {
    rc = reserve(&t->pair, t->n_pair, &t->n_pair_alloc, sizeof *t->pair, err);
  }
  if (rc != ATTN_OK) return rc;
  uint32_t *slot = find_slot(t, left, right);
  if (*slot == 0) {
    t->pair[t->n_pair] = (pair){.left = left, .right = right, .rank = NONE};
    *slot = (uint32_t)++t->n_pair;
  }
  *out = *slot - 1;
  return ATTN_OK;
}

/* A pair was seen in a word that has it now (sign 1), or had it (-1). */
static attn_status change_count(trainer *t, uint32_t left, uint32_t right, uint32_t word,
                                int sign, attn_error *err) {
  uint32_t i = 0;
  attn_status rc = find_pair(t, left, right, err, &i);
  if (rc != ATTN_OK) return rc;
  pair *p = &t->pair[i];
  p->count += sign * (int64_t)t->words.count[word];
  if (sign < 0 || (p->words.n && p->words.word[p->words.n - 1] == word)) return ATTN_OK;
  if (p->words.n == 0) {
    rc = reserve(&t->touched, t->n_touched, &t->n_touched_alloc, sizeof *t->touched, err);
    if (rc != ATTN_OK) return rc;
    t->touched[t->n_touched++] = i;
  }
  size_t n_alloc = p->words.n_alloc;
  rc = reserve(&p->words.word, p->words.n, &n_alloc, sizeof *p->words.word, err);
  if (rc != ATTN_OK) return rc;
  p->words.n_alloc = (uint32_t)n_alloc;
  p->words.word[p->words.n++] = word;
  return ATTN_OK;
}

/* ----------------------------------------------------------------------------- heap */

static int is_before(const trainer *t, const candidate *a, const candidate *b) {
  const pair *p = &t->pair[a->pair], *q = &t->pair[b->pair];
  if (a->count != b->count) return a->count > b->count;
  if (p->left != q->left) return p->left < q->left;
  if (p->right != q->right) return p->right < q->right;
  return a->number < b->number;
}

/* There is room. */
static void push(trainer *t, candidate c) {
  size_t i = t->n_heap++;
  for (; i > 0 && is_before(t, &c, &t->heap[(i - 1) / 2]); i = (i - 1) / 2) {
    t->heap[i] = t->heap[(i - 1) / 2];
  }
  t->heap[i] = c;
}

static candidate pop(trainer *t) {
  candidate top = t->heap[0], last = t->heap[--t->n_heap];
  size_t i = 0, child;
  while ((child = 2 * i + 1) < t->n_heap) {
    if (child + 1 < t->n_heap && is_before(t, &t->heap[child + 1], &t->heap[child]))
      child++;
    if (!is_before(t, &t->heap[child], &last)) break;
    t->heap[i] = t->heap[child];
    i = child;
  }
  t->heap[i] = last;
  return top;
}

/* Pairs that have appeared somewhere go into the heap. */
static attn_status push_touched(trainer *t, attn_error *err) {
  for (; t->n_touched; t->n_touched--) {
    uint32_t i = t->touched[t->n_touched - 1];
    pair *p = &t->pair[i];
    attn_status rc = reserve(&t->heap, t->n_heap, &t->n_heap_alloc, sizeof *t->heap, err);
    if (rc != ATTN_OK) return rc;
    if (p->count > 0) {
      push(t, (candidate){p->count, i, t->n_pushed++, p->words});
    } else {
      attne_release(p->words.word);
    }
    p->words = (list){0};
  }
  return ATTN_OK;
}

/* -------------------------------------------------------------------------- merging */

/* Makes one symbol of each pair in a word. */
static attn_status merge_word(trainer *t, uint32_t word, uint32_t left, uint32_t right,
                              uint32_t id, attn_error *err) {
  symbol *s = t->symbol + t->begin[word];
  uint32_t n = t->length[word], to = 0;
  uint64_t max = t->options->max_token_length ? t->options->max_token_length : UINT64_MAX;
  attn_status rc = ATTN_OK;
  for (uint32_t i = 0; rc == ATTN_OK && i < n; to++) {
    if (s[i].id != left || i + 1 == n || s[i + 1].id != right) {
      s[to] = s[i++];
      continue;
    }
    symbol merged = {id, s[i].n_char + s[i + 1].n_char};
    i += 2;
    if (to > 0) {
      rc = change_count(t, s[to - 1].id, left, word, -1, err);
      if (rc == ATTN_OK && (uint64_t)s[to - 1].n_char + merged.n_char < max) {
        rc = change_count(t, s[to - 1].id, id, word, 1, err);
      }
    }
    if (rc == ATTN_OK && i < n) {
      rc = change_count(t, right, s[i].id, word, -1, err);
      if (rc == ATTN_OK && (uint64_t)s[i].n_char + merged.n_char < max) {
        rc = change_count(t, id, s[i].id, word, 1, err);
      }
    }
    s[to] = merged;
  }
  t->length[word] = to;
  return rc;
}

/* The token of a pair: that of the left, and of the right without its prefix. */
static attn_status name_pair(trainer *t, const pair *p, attn_error *err, uint32_t *id) {
  attn_buffer name = {0};
  attn_text left = attne_names_text(&t->tokens, p->left);
  attn_text right = attne_names_text(&t->tokens, p->right), prefix = t->options->prefix;
  if (right.n_text >= prefix.n_text &&
      (prefix.n_text == 0 || memcmp(right.text, prefix.text, prefix.n_text) == 0)) {
    right.text += prefix.n_text;
    right.n_text -= prefix.n_text;
  }
  attn_status rc = attne_buffer_add(&name, left.text, left.n_text);
  if (rc == ATTN_OK) rc = attne_buffer_add(&name, right.text, right.n_text);
  rc = rc == ATTN_OK
           ? attne_names_add(&t->tokens, (attn_text){name.text, name.n}, err, id)
           : attne_no_memory(err);
  attn_buffer_free(&name);
  return rc;
}

static attn_status merge_pair(trainer *t, const candidate *top, attn_error *err) {
  uint32_t id = 0, left = t->pair[top->pair].left, right = t->pair[top->pair].right;
  attn_status rc = name_pair(t, &t->pair[top->pair], err, &id);
  if (rc == ATTN_OK) {
    rc = reserve(&t->merge, t->n_merge, &t->n_merge_alloc, sizeof *t->merge, err);
  }
  if (rc != ATTN_OK) return rc;
  t->pair[top->pair].rank = (uint32_t)t->n_merge;
  t->merge[t->n_merge++] = top->pair;
  for (uint32_t i = 0; rc == ATTN_OK && i < top->words.n; i++) {
    if (i % CHECK_EVERY == CHECK_EVERY - 1 && t->stop(t->ctx)) return ATTN_INTERRUPTED;
    rc = merge_word(t, top->words.word[i], left, right, id, err);
  }
  return rc == ATTN_OK ? push_touched(t, err) : rc;
}

static attn_status merge_all(trainer *t, attn_error *err) {
  attn_status rc = ATTN_OK;
  while (rc == ATTN_OK && t->tokens.n < t->options->vocab_size && t->n_heap) {
    if (t->stop(t->ctx)) return ATTN_INTERRUPTED;
    candidate top = pop(t);
    int64_t count = t->pair[top.pair].count;
    if (count != top.count && count > 0) {
      top.count = count;
      push(t, top);
      continue;
    }
    int is_done = count > 0 && (uint64_t)count < t->options->min_frequency;
    if (count > 0 && !is_done) rc = merge_pair(t, &top, err);
    attne_release(top.words.word);
    if (is_done) break;
  }
  return rc;
}

static attn_status count_pairs(trainer *t, attn_error *err) {
  attn_status rc = ATTN_OK;
  for (uint32_t word = 0; rc == ATTN_OK && word < t->words.n; word++) {
    if (word % CHECK_EVERY == 0 && t->stop(t->ctx)) return ATTN_INTERRUPTED;
    const symbol *s = t->symbol + t->begin[word];
    for (uint32_t i = 1; rc == ATTN_OK && i < t->length[word]; i++) {
      rc = change_count(t, s[i - 1].id, s[i].id, word, 1, err);
    }
  }
  return rc == ATTN_OK ? push_touched(t, err) : rc;
}

static int never(void *ctx) {
  (void)ctx;
  return 0;
}

attn_status attn_vocab_trainer_learn(attn_vocab_trainer *t, int (*stop)(void *ctx),
                                     void *ctx, attn_error *err) {
  attn_status rc = ATTN_OK;
  t->stop = stop ? stop : never;
  t->ctx = ctx;
  if (t->words.n == 0) {
    return attne_fail(err, ATTN_INVALID, "the texts have no word to learn from");
  }
  for (size_t i = 0; rc == ATTN_OK && i < t->options->n_special; i++) {
    rc = add_token(t, t->options->special[i], err);
  }
  if (rc == ATTN_OK) rc = add_alphabet(t, err);
  if (rc == ATTN_OK) rc = add_forms(t, err);
  if (rc == ATTN_OK && t->tokens.n > t->options->vocab_size) {
    rc =
        attne_fail(err, ATTN_INVALID,
                   "vocab_size is %u, while the special tokens and the characters of the "
                   "texts are %u already; limit_alphabet can leave out rare ones",
                   (unsigned)t->options->vocab_size, (unsigned)t->tokens.n);
  }
  if (rc == ATTN_OK) rc = put_words(t, err);
  if (rc == ATTN_OK) rc = count_pairs(t, err);
  return rc == ATTN_OK ? merge_all(t, err) : rc;
}

/* ---------------------------------------------------------------------------- result */

attn_status attn_vocab_trainer_result(attn_vocab_trainer *t, attn_error *err,
                                      attn_vocab *out) {
  uint32_t n = t->tokens.n, n_merge = 0;
  t->token = attne_alloc(n * sizeof *t->token);
  t->n_token = attne_alloc(n * sizeof *t->n_token);
  t->merged = attne_alloc(2 * (uint64_t)t->n_merge * sizeof *t->merged);
  if (!t->token || !t->n_token || !t->merged) return attne_no_memory(err);
  for (uint32_t i = 0; i < n; i++) {
    attn_text text = attne_names_text(&t->tokens, i);
    t->token[i] = text.text;
    t->n_token[i] = (uint32_t)text.n_text;
  }
  for (size_t i = 0; i < t->n_merge; i++) {
    const pair *p = &t->pair[t->merge[i]];
    if (p->rank != i) continue; /* it comes again */
    t->merged[2 * (size_t)n_merge] = attne_names_text(&t->tokens, p->left);
    t->merged[2 * (size_t)n_merge++ + 1] = attne_names_text(&t->tokens, p->right);
  }
  *out = (attn_vocab){.token = t->token,
                      .n_token = t->n_token,
                      .n = n,
                      .merge = t->merged,
                      .n_merge = n_merge};
  return ATTN_OK;
}
