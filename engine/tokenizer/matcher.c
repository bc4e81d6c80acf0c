/*
** matcher.c - finds added tokens in a stream of characters.
**
** This is what Hugging Face tokenizers does with an Aho-Corasick automaton of
** kind leftmost-longest, in its order: the longest pattern at the leftmost place
** is the match.  If it is refused (single_word), the search goes on behind it,
** not inside.  rstrip takes the white space behind the match, lstrip that in front
** of it, back to the last match.
*/
#include "added.h"

/* Where patterns [low, high), alike in their first `depth` characters, begin to
** have a character >= c there. */
static uint32_t lower_bound(const attne_patterns *patterns, uint32_t low, uint32_t high,
                            uint32_t depth, uint64_t c) {
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const attne_pattern *p = &patterns->list[middle];
    if (p->n <= depth || p->c[depth] < c) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* The longest pattern that the items begin with.  Returns 1 if a longer one may
** follow when there are more items. */
static int longest_match(const attne_patterns *patterns, const attne_item *item, size_t n,
                         const attne_pattern **hit) {
  uint32_t low = 0, high = patterns->n;
  if (!(patterns->first >> item->c % 64 & 1)) return 0;
  for (uint32_t depth = 0; depth < n; depth++) {
    low = lower_bound(patterns, low, high, depth, item[depth].c);
    high = lower_bound(patterns, low, high, depth, item[depth].c + UINT64_C(1));
    if (low == high) return 0;
    if (patterns->list[low].n == depth + 1) *hit = &patterns->list[low];
    if (patterns->list[high - 1].n == depth + 1) return 0;
  }
  return 1;
}

int attne_patterns_ignore(const attne_patterns *patterns, uint32_t c) {
  if (patterns->has_lstrip && attne_char_of(c)->flags & ATTNE_CHAR_SPACE) return 0;
  return patterns->n == 0 ||
         lower_bound(patterns, 0, patterns->n, 0, c) ==
             lower_bound(patterns, 0, patterns->n, 0, c + UINT64_C(1));
}

static int is(const attne_item *item, int flag) {
  return attne_char_of(item->c)->flags & flag;
}

static void give(attne_matcher *m, size_t end) {
  for (; m->given < end; m->given++) {
    m->plain(m->ctx, m->item[m->given].c, m->item[m->given].at);
  }
}

/* The item at `scan` begins no token. */
static void pass_one(attne_matcher *m) {
  const attne_item *item = &m->item[m->scan++];
  /* White space waits: an lstrip token may follow. */
  if (!(m->patterns->has_lstrip && is(item, ATTNE_CHAR_SPACE))) give(m, m->scan);
}

/* A pattern matches at `scan`.  Returns 0 if it takes more items to go on. */
static int take(attne_matcher *m, const attne_pattern *hit, int at_end) {
  const attne_added_token *token = hit->token;
  size_t stop = m->scan + hit->n, end = stop;
  if (stop == m->n && !at_end && (token->single_word || token->rstrip)) return 0;
  if (token->single_word &&
      ((m->scan > 0 && is(&m->item[m->scan - 1], ATTNE_CHAR_WORD)) ||
       (stop < m->n && is(&m->item[stop], ATTNE_CHAR_WORD)))) {
    m->skip = stop;
    return 1;
  }
  if (token->rstrip) {
    if (m->space_end > end) end = m->space_end;
    while (end < m->n && is(&m->item[end], ATTNE_CHAR_SPACE)) end++;
    m->space_end = end;
    if (end == m->n && !at_end) return 0;
  }
  size_t start = token->lstrip ? m->given : m->scan;
  give(m, start);
  m->found(m->ctx, token, m->item + start, end - start);
  m->given = m->scan = end;
  return 1;
}

static void advance(attne_matcher *m, int at_end) {
  while (m->scan < m->n) {
    const attne_pattern *hit = NULL;
    if (m->scan >= m->skip) {
      int undecided = longest_match(m->patterns, m->item + m->scan, m->n - m->scan, &hit);
      if (undecided && !at_end) return;
    }
    if (!hit) {
      pass_one(m);
    } else if (!take(m, hit, at_end)) {
      return;
    }
  }
}

/* Forgets items that count no more, all but the last: it may precede a
** single_word token. */
static void forget(attne_matcher *m) {
  size_t n = m->given;
  if (n > 0 && n == m->scan) n--;
  memmove(m->item, m->item + n, (m->n - n) * sizeof *m->item);
  m->n -= n;
  m->scan -= n;
  m->given -= n;
  m->skip -= m->skip < n ? m->skip : n;
  m->space_end -= m->space_end < n ? m->space_end : n;
}

static int make_room(attne_matcher *m) {
  if (m->n > 0) forget(m);
  if (m->n_alloc > 0 && m->n <= m->n_alloc / 2) return 1;
  size_t n = m->n_alloc ? 2 * m->n_alloc : 64;
  attne_item *item = attne_resize(m->item, n * sizeof *item);
  if (!item) {
    m->status = ATTN_NOMEM;
    return 0;
  }
  m->item = item;
  m->n_alloc = n;
  return 1;
}

void attne_matcher_add(attne_matcher *m, uint32_t c, attne_span at) {
  if (m->patterns->n == 0) {
    m->plain(m->ctx, c, at);
    return;
  }
  if (m->n == m->n_alloc && !make_room(m)) return;
  m->item[m->n++] = (attne_item){c, at};
  advance(m, 0);
}

void attne_matcher_end(attne_matcher *m) {
  advance(m, 1);
  give(m, m->n);
  m->n = m->scan = m->given = m->skip = m->space_end = 0;
}

int attne_matcher_is_idle(const attne_matcher *m) {
  return m->given == m->n;
}

void attne_matcher_pass(attne_matcher *m, uint32_t c) {
  if (m->patterns->n == 0) return;
  if (m->n_alloc == 0 && !make_room(m)) return;
  m->item[0] = (attne_item){c, {0, 0}};
  m->n = m->scan = m->given = 1;
  m->skip = m->space_end = 0;
}

void attne_matcher_free(attne_matcher *m) {
  attne_release(m->item);
}
