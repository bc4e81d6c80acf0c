-- tour.sql - from text to Transformer, step by step: with the numbers of a real model, and
-- with models that learn on the way.
--
-- `make tour` runs it in the sqlite3 shell, in the repository's root: it prints small
-- tables and writes pictures to build/tour.  Each step uses what the ones before have made,
-- so it can be followed, changed and run again line by line.

.load ./libattn
.bail on
.mode column
SELECT attn_import('minilm', 'build/model') AS model;

CREATE TEMP TABLE text(a, b);
INSERT INTO text VALUES ('The cat sat on the mat because it was tired.', 'A sleepy kitten rests.');

-- What the models of this tour learn from: a small world of eight people.
CREATE TEMP TABLE person(word, pronoun, age, rank);
INSERT INTO person VALUES ('king', 'he', 'old', 'royal'), ('queen', 'she', 'old', 'royal'),
  ('prince', 'he', 'young', 'royal'), ('princess', 'she', 'young', 'royal'), ('man', 'he', 'old', 'common'),
  ('woman', 'she', 'old', 'common'), ('boy', 'he', 'young', 'common'), ('girl', 'she', 'young', 'common');
CREATE TEMP TABLE saying(pattern, age, rank); -- of whom it is said; NULL: of all
INSERT INTO saying VALUES ('the W said that P would come', NULL, NULL), ('the W washed while P sang', NULL, NULL),
  ('P is the W that I know', NULL, NULL), ('the W thinks P is right', NULL, NULL), ('is P a W', NULL, NULL),
  ('when the W came P sat on the mat', NULL, NULL), ('the W says P is tired', NULL, NULL),
  ('the W sleeps when P is tired', NULL, NULL), ('the W eats what P likes', NULL, NULL),
  ('does the W know what P said', NULL, NULL), ('the W lives in the castle', NULL, 'royal'),
  ('the crown of the W is gold', NULL, 'royal'), ('a W in the castle wears gold', NULL, 'royal'),
  ('the W has a golden crown', NULL, 'royal'), ('the W lives in the village', NULL, 'common'),
  ('the W works in the field', NULL, 'common'), ('a W in the field wears wool', NULL, 'common'),
  ('the W has a woolen coat', NULL, 'common'), ('the W is old and grey', 'old', NULL),
  ('the old W has grey hair', 'old', NULL), ('the W rests after a long life', 'old', NULL),
  ('the W is young and plays', 'young', NULL), ('the young W goes to school', 'young', NULL),
  ('the W plays with a ball', 'young', NULL);
CREATE TEMP TABLE world(id INTEGER PRIMARY KEY, body);
INSERT INTO world(body) SELECT replace(replace(pattern, 'W', word), 'P', pronoun) FROM saying s, person p
  WHERE coalesce(s.age, p.age) = p.age AND coalesce(s.rank, p.rank) = p.rank ORDER BY s.rowid, p.rowid;

.print
.print 1. Tokenizer: a text becomes tokens, each with a number.
SELECT t.position, t.id, t.token FROM text, attn_tokens(text.a) t LIMIT 6;

.print
.print 2. A tokenizer of your own: it learns its tokens, words and parts of them, from texts.
SELECT attn_train_tokenizer('tokens', 'SELECT body FROM world', '{"vocab_size": 100}') AS model;
SELECT group_concat(token, ' ') AS tokens, attn_decode(json_group_array(id), 'tokens') AS "and back again"
FROM attn_tokens('the queens sleep in woolen castles', 'tokens');

.print
.print 3. One-hot: a token as a vector with one 1.  Times the embedding table it is a row of it.
-- The weights of a model are blobs in a table.
CREATE TEMP TABLE w AS SELECT name, data FROM attn_tensor WHERE model = 'minilm'
  AND (name LIKE 'embeddings.word%' OR name LIKE 'encoder.layer.0.%');
CREATE TEMP VIEW words AS SELECT data AS w FROM w WHERE name = 'embeddings.word_embeddings.weight';
SELECT t.token, t.id, vec_length(attn_one_hot(t.id, 30522)) AS numbers,
  attn_matmul(attn_one_hot(t.id, 30522), w, 384) = attn_embedding(t.id) AS is_row
FROM attn_tokens('cat') t, words WHERE t.position = 1;

.print
.print 4. Latent space: near in the space of vectors is near in meaning.
SELECT token, round(similarity, 3) AS similarity FROM attn_nearest(attn_embedding('cat'), 'minilm', 5);

.print
.print 5. Such a space is learned by cloze: from the words around, which one is in the middle? (CBOW)
SELECT step, steps, round(loss, 2) AS loss, model
FROM attn_train('space', 'SELECT body FROM world',
  '{"dim": 24, "epochs": 100, "window": 8, "alpha": 0.05, "sample": 0, "min_count": 1, "progress": 0}')
WHERE step IN (1, 10, 50, steps);
SELECT token AS "near king", round(similarity, 3) AS similarity
FROM attn_nearest(attn_embedding('king', 'space'), 'space', 4) WHERE token <> 'king';
SELECT token AS "king - man + woman", round(similarity, 3) AS similarity
FROM attn_nearest(vec_add(vec_sub(attn_embedding('king', 'space'), attn_embedding('man', 'space')),
                          attn_embedding('woman', 'space')), 'space', 4);

.print
.print 6. Positions: sines and cosines tell first from second (BERT learns a table instead).
SELECT row AS position, vec_to_json(vector) AS vector FROM attn_rows(attn_positions(3, 4), 4);

.print
.print 7. Queries, keys and values: the token vectors times three matrices.
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
.print 8. Scores: each query times each key; divided by the root of their length; softmax; times the values.
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
.print 9. The same in one call, and with a mask: token i sees tokens 0 to i.
SELECT vec_distance_l2(attn_attend(q, k, v, 32), result) < 1e-5 AS same FROM head, step;
SELECT r.row AS query, (SELECT group_concat(round(value, 2), ' ') FROM vec_each(r.vector)) AS weights
FROM head, attn_rows(attn_weights(q, k, 32, 1, 'causal'), n) r LIMIT 4;

.print
.print 10. Cross-attention: the queries are those of another text.
SELECT h.token AS query, (SELECT t.token FROM attn_tokens(text.a) t WHERE t.position =
    (SELECT x.rowid FROM vec_each(attn_weights(h.query, head.k, 32)) x ORDER BY x.value DESC LIMIT 1)) AS "looks most at"
FROM text, head, attn_heads(text.b) h WHERE h.layer = 0 AND h.head = 0;

.print
.print 11. Several heads: split, attend, concatenate, times a matrix; plus what came in; normalized.
CREATE TEMP TABLE attended AS SELECT attn_layer_norm(vec_add(x,
    attn_linear(attn_attend(q, k, v, 384, 12), (SELECT data FROM w WHERE name LIKE '%attention.output.dense.weight'),
                384, (SELECT data FROM w WHERE name LIKE '%attention.output.dense.bias'))),
  384, (SELECT data FROM w WHERE name LIKE '%attention.output.LayerNorm.weight'),
  (SELECT data FROM w WHERE name LIKE '%attention.output.LayerNorm.bias'), 1e-12) AS x FROM qkv, x;
SELECT vec_length(x) / 384 AS tokens, vec_length(x) AS numbers FROM attended;

.print
.print 12. Feed-forward: linear, activation, linear; plus what came in; normalized.  A layer is done.
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
.print 13. Encoder: six such layers; the mean of the token vectors is the vector of the text.
WITH last AS (SELECT attn_stack(h.vector) AS x, count(*) AS n FROM text, attn_hidden(text.a) h WHERE h.layer = 6),
     mean AS (SELECT attn_matmul((SELECT '[' || group_concat('1', ',') || ']' FROM attn_rows(x, 384)), x, 384) AS v
              FROM last)
SELECT round(1 - vec_distance_cosine(v, embed(text.a)), 6) AS "cosine with embed()" FROM mean, text;

.print
.print 14. An encoder learns by cloze, too, and may look at all words: the loss is in build/tour/loss.svg.
-- Every seventh text is kept for an examination.
.mode list
.headers off
.once build/tour/loss.svg
SELECT attn_svg('curve', 'SELECT max(step) AS step, avg(loss) AS loss FROM attn_train(''encoder'',
    ''SELECT body FROM world WHERE id % 7'', ''{"kind": "encoder", "d_model": 64, "n_layer": 1, "n_head": 2,
      "d_ff": 64, "max_length": 16, "steps": 800, "learning_rate": 0.005, "dropout": 0, "min_count": 1,
      "progress": 0}'') GROUP BY (step - 1) / 8');
.mode column
.headers on
SELECT m.text, f.token, round(f.probability, 3) AS probability
FROM (SELECT 'the queen said that [MASK] would come' AS text UNION ALL
      SELECT 'the boy washed while [MASK] sang' UNION ALL SELECT 'the old woman has [MASK] hair') m,
     attn_fill_mask(m.text, 'encoder', 1) f;
SELECT head, key_token AS "[MASK] looks at", round(max(weight), 3) AS weight
FROM attn_attention('the queen said that [MASK] would come', NULL, 'encoder')
WHERE layer = 0 AND query_token = '[MASK]' GROUP BY head;
SELECT count(*) AS hidden, round(avg(rank = 1), 2) AS named, round(avg(token = 'the'), 2) AS "if it were always the"
FROM attn_cloze('SELECT id, body FROM world WHERE id % 7 = 0', 'encoder');

.print
.print 15. Decoder: a token sees those before it alone, so the next one can be asked for, again and again.
-- A GPT-2 as small as that, which knows one story by heart.
SELECT attn_import('story', 'tests/fixtures/decoder/story') AS model;
SELECT attn_logits('Once upon a', 'story') = vec_slice(attn_logits('Once upon a time', 'story'), 0,
  vec_length(attn_logits('Once upon a', 'story'))) AS "a later token changes nothing";
SELECT position, id, token, text, round(exp(logprob), 3) AS probability
FROM attn_generate('Once upon a time', 'story') LIMIT 4;
SELECT group_concat(text, '') AS "Once upon a time" FROM attn_generate('Once upon a time', 'story');

.print
.print 16. Which words made two texts similar.
SELECT a_token, b_token, round(share, 3) AS share FROM text, attn_explain(text.a, text.b)
ORDER BY share DESC LIMIT 5;
SELECT round(sum(share), 6) AS "sum of all", round(1 - vec_distance_cosine(embed(text.a), embed(text.b)), 6) AS similarity
FROM text, attn_explain(text.a, text.b);

.print
.print 17. Pictures: build/tour/heads.svg, model.svg, map.svg, space.svg, positions.svg, loss.svg
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
.once build/tour/space.svg
SELECT attn_svg('map', 'SELECT attn_embedding(word, ''space''), word, pronoun FROM person');
.once build/tour/positions.svg
SELECT attn_svg('curve', 'SELECT row, value, ''number '' || x.rowid
  FROM attn_rows(attn_positions(64, 8), 8) r, vec_each(r.vector) x WHERE x.rowid IN (0, 2, 4)');
