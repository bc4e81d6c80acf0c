-- tour.sql - from text to Transformer, step by step, with the numbers of a real model.
--
-- `make tour` runs it in the sqlite3 shell, in the repository's root: it prints small
-- tables and writes pictures to build/tour.  Each step uses what the one before has made,
-- so it can be followed, changed and run again line by line.

.load ./libattn
.bail on
.mode column
SELECT attn_import('minilm', 'build/model') AS model;

CREATE TEMP TABLE text(a, b);
INSERT INTO text VALUES ('The cat sat on the mat because it was tired.', 'A sleepy kitten rests.');

.print
.print 1. Tokenizer: a text becomes tokens, each with a number.
SELECT t.position, t.id, t.token FROM text, attn_tokens(text.a) t LIMIT 6;

.print
.print 2. One-hot: a token as a vector with one 1.  Times the embedding table it is a row of it.
-- The weights of a model are blobs in a table.
CREATE TEMP TABLE w AS SELECT name, data FROM attn_tensor WHERE model = 'minilm'
  AND (name LIKE 'embeddings.word%' OR name LIKE 'encoder.layer.0.%');
CREATE TEMP VIEW words AS SELECT data AS w FROM w WHERE name = 'embeddings.word_embeddings.weight';
SELECT t.token, t.id, vec_length(attn_one_hot(t.id, 30522)) AS numbers,
  attn_matmul(attn_one_hot(t.id, 30522), w, 384) = vec_slice(w, t.id * 384, t.id * 384 + 384) AS is_row
FROM attn_tokens('cat') t, words WHERE t.position = 1;

.print
.print 3. Embedding: near in the space of vectors is near in meaning.
-- Row 4937 of the table is the token cat.
CREATE TEMP TABLE cat AS SELECT vec_slice(w, 4937 * 384, 4938 * 384) AS v FROM words;
SELECT r.row AS id, round(vec_distance_cosine(r.vector, cat.v), 3) AS distance
FROM words, cat, attn_rows(words.w, 384) r ORDER BY distance LIMIT 5;

.print
.print 4. Positions: sines and cosines tell first from second (BERT learns a table instead).
SELECT row AS position, vec_to_json(vector) AS vector FROM attn_rows(attn_positions(3, 4), 4);

.print
.print 5. Queries, keys and values: the token vectors times three matrices.
-- The vectors that enter layer 0, one row a token: x is [tokens, 384].
CREATE TEMP TABLE x AS SELECT attn_stack(h.vector) AS x FROM text, attn_hidden(text.a) h WHERE h.layer = 0;
CREATE TEMP TABLE qkv AS SELECT
  attn_linear(x, (SELECT data FROM w WHERE name LIKE '%self.query.weight'), 384,
                 (SELECT data FROM w WHERE name LIKE '%self.query.bias')) AS q,
  attn_linear(x, (SELECT data FROM w WHERE name LIKE '%self.key.weight'), 384,
                 (SELECT data FROM w WHERE name LIKE '%self.key.bias')) AS k,
  attn_linear(x, (SELECT data FROM w WHERE name LIKE '%self.value.weight'), 384,
                 (SELECT data FROM w WHERE name LIKE '%self.value.bias')) AS v FROM x;
SELECT vec_length(q) / 384 AS tokens, vec_length(q) AS q, vec_length(k) AS k, vec_length(v) AS v FROM qkv;

.print
.print 6. Scores: each query times each key; divided by the root of their length; softmax; times the values.
-- Head 0 is the first 32 of the 384 columns of each matrix.
CREATE TEMP TABLE head AS SELECT
  (SELECT attn_stack(vec_slice(vector, 0, 32)) FROM attn_rows(q, 384)) AS q,
  (SELECT attn_stack(vec_slice(vector, 0, 32)) FROM attn_rows(k, 384)) AS k,
  (SELECT attn_stack(vec_slice(vector, 0, 32)) FROM attn_rows(v, 384)) AS v,
  vec_length(q) / 384 AS n FROM qkv;
CREATE TEMP TABLE step AS
  WITH score AS (SELECT attn_matmul(q, attn_transpose(k, 32), n) AS s, n, v FROM head),
       scaled AS (SELECT attn_scale(s, 1 / sqrt(32)) AS s, n, v FROM score)
  SELECT attn_softmax(s, n) AS weights, attn_matmul(attn_softmax(s, n), v, 32) AS result, n FROM scaled;
SELECT t.token AS "cat looks at", round(x.value, 3) AS weight
FROM step, attn_rows(weights, n) r, vec_each(r.vector) x, text, attn_tokens(text.a) t
WHERE r.row = 2 AND t.position = x.rowid ORDER BY x.value DESC LIMIT 4;
CREATE TEMP TABLE seen AS SELECT key, query, weight FROM text, attn_attention(text.a)
  WHERE layer = 0 AND head = 0;
SELECT max(abs(x.value - weight)) < 1e-6 AS "as in the model"
FROM step, attn_rows(weights, n) r, vec_each(r.vector) x JOIN seen ON query = row AND key = x.rowid;

.print
.print 7. The same in one call, and with a mask: token i sees tokens 0 to i.
SELECT vec_distance_l2(attn_attend(q, k, v, 32), result) < 1e-5 AS same FROM head, step;
SELECT r.row AS query, (SELECT group_concat(round(value, 2), ' ') FROM vec_each(r.vector)) AS weights
FROM head, attn_rows(attn_weights(q, k, 32, 1, 'causal'), n) r LIMIT 4;

.print
.print 8. Cross-attention: the queries are those of another text.
SELECT h.token AS query, (SELECT t.token FROM attn_tokens(text.a) t WHERE t.position =
    (SELECT x.rowid FROM vec_each(attn_weights(h.query, head.k, 32)) x ORDER BY x.value DESC LIMIT 1)) AS "looks most at"
FROM text, head, attn_heads(text.b) h WHERE h.layer = 0 AND h.head = 0;

.print
.print 9. Several heads: split, attend, concatenate, times a matrix; plus what came in; normalized.
CREATE TEMP TABLE attended AS SELECT attn_layer_norm(vec_add(x,
    attn_linear(attn_attend(q, k, v, 384, 12), (SELECT data FROM w WHERE name LIKE '%attention.output.dense.weight'),
                384, (SELECT data FROM w WHERE name LIKE '%attention.output.dense.bias'))),
  384, (SELECT data FROM w WHERE name LIKE '%attention.output.LayerNorm.weight'),
  (SELECT data FROM w WHERE name LIKE '%attention.output.LayerNorm.bias'), 1e-12) AS x FROM qkv, x;
SELECT vec_length(x) / 384 AS tokens, vec_length(x) AS numbers FROM attended;

.print
.print 10. Feed-forward: linear, activation, linear; plus what came in; normalized.  A layer is done.
CREATE TEMP TABLE layer AS SELECT attn_feed_forward(x,
  (SELECT data FROM w WHERE name LIKE '%intermediate.dense.weight'),
  (SELECT data FROM w WHERE name LIKE '%intermediate.dense.bias'),
  (SELECT data FROM w WHERE name LIKE '%.0.output.dense.weight'),
  (SELECT data FROM w WHERE name LIKE '%.0.output.dense.bias'),
  (SELECT data FROM w WHERE name LIKE '%.0.output.LayerNorm.weight'),
  (SELECT data FROM w WHERE name LIKE '%.0.output.LayerNorm.bias'), 'gelu', 1e-12) AS x FROM attended;
SELECT vec_distance_l2(layer.x, (SELECT attn_stack(h.vector) FROM text, attn_hidden(text.a) h WHERE h.layer = 1))
  < 1e-3 AS "as in the model" FROM layer;

.print
.print 11. Encoder: six such layers; the mean of the token vectors is the vector of the text.
WITH last AS (SELECT attn_stack(h.vector) AS x, count(*) AS n FROM text, attn_hidden(text.a) h WHERE h.layer = 6),
     mean AS (SELECT attn_matmul((SELECT '[' || group_concat('1', ',') || ']' FROM attn_rows(x, 384)), x, 384) AS v
              FROM last)
SELECT round(1 - vec_distance_cosine(v, embed(text.a)), 6) AS "cosine with embed()" FROM mean, text;

.print
.print 12. Which words made two texts similar.
SELECT a_token, b_token, round(share, 3) AS share FROM text, attn_explain(text.a, text.b)
ORDER BY share DESC LIMIT 5;
SELECT round(sum(share), 6) AS "sum of all", round(1 - vec_distance_cosine(embed(text.a), embed(text.b)), 6) AS similarity
FROM text, attn_explain(text.a, text.b);

.print
.print 13. Pictures: build/tour/heads.svg, model.svg, map.svg, curve.svg
.mode list
.headers off
.once build/tour/heads.svg
SELECT attn_svg('heads', a) FROM text;
.once build/tour/model.svg
SELECT attn_svg('model', a) FROM text;
CREATE TEMP TABLE word(word, kind);
INSERT INTO word VALUES ('cat', 'animal'), ('dog', 'animal'), ('horse', 'animal'), ('sparrow', 'animal'),
  ('whale', 'animal'), ('Paris', 'place'), ('Berlin', 'place'), ('Tokyo', 'place'), ('Cairo', 'place'),
  ('Oslo', 'place'), ('bread', 'food'), ('cheese', 'food'), ('soup', 'food'), ('apple', 'food'), ('rice', 'food'),
  ('red', 'color'), ('green', 'color'), ('blue', 'color'), ('yellow', 'color'), ('violet', 'color');
.once build/tour/map.svg
SELECT attn_svg('map', 'SELECT embed(word), word, kind FROM word');
.once build/tour/curve.svg
SELECT attn_svg('curve', 'SELECT row, value, ''number '' || x.rowid
  FROM attn_rows(attn_positions(64, 8), 8) r, vec_each(r.vector) x WHERE x.rowid IN (0, 2, 4)');
