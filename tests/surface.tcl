# tests/surface.tcl - everything that libattn adds to a connection, by name.
#
# A new function or table is one line here; without it sql/surface.test fails, and with it
# its faults, its flags and its errors are tested:
#
#     offer NAME FLAGS {example} {misuse} {the exact message}
#
#   FLAGS     what it has at each number of arguments: pure (SQLITE_DETERMINISTIC),
#             direct (SQLITE_DIRECTONLY) or - (neither); "- direct" where the numbers
#             of arguments differ.  A table that is not of functions: table or direct.
#   example   a statement that works in the database below and gives a row or writes.
#             sql/surface_fault.test runs it while the Nth allocation, read, write, lock or
#             step fails, for every N: the result is the same or the error of the fault,
#             and the database is as before.  An example changes tables, makes files
#             below exported/, or neither; it need not undo that.
#   misuse    a statement that fails, with its message; sql/surface.test runs it.
#
#     also NAME {example}               further examples
#     long NAME {example}               of which fewer faults are tried: tens of thousands
#     wrong NAME {misuse} {message}     further errors
#
# The database (surface_database): model m, the smallest there is, whose folder is $folder,
# gpt and torch, as small, tiny (tests/fixtures/st/bert_mean) and masked (cloze/bert); docs(id, body) of four texts; ai, an index over
# it that waits for two of them; v, an index of ten vectors with a year.

array set offers {}
proc offer {name flags example misuse message} {
  set ::offers($name) $flags
  also $name $example
  wrong $name $misuse $message
}
proc also {name example} { lappend ::examples $name $example }
proc long {name example} { also $name $example; lappend ::long $example }
proc wrong {name misuse message} { lappend ::misuses $name $misuse $message }

# ------------------------------------------------------------------------ embedding
offer embed pure { SELECT quote(embed('some words')), quote(embed(body, 'tiny')) FROM docs } \
  { SELECT embed(x'00') } {text to embed is a blob; expected text}
offer embed_query pure { SELECT quote(embed_query('some words')) } \
  { SELECT embed_query('a', 'none') } {no model "none"; there are: gpt, m, masked, tiny, torch}
offer embed_document pure { SELECT quote(embed_document('some words', 'm')) } \
  { SELECT embed_document('a', x'6d') } {model name is a blob; expected text}
offer attn_embed_each direct { SELECT id, quote(vector) FROM attn_embed_each('SELECT id, body FROM docs') } \
  { SELECT * FROM attn_embed_each('SELECT 1') } \
  {attn_embed_each: the query has 1 column; expected two, an id and a text}
also attn_embed_each {
  CREATE TABLE vectors AS SELECT * FROM attn_embed_each('SELECT id, body FROM docs', 'm', 'query')
}
offer attn_threads {- direct} { SELECT attn_threads(2), attn_threads() } \
  { SELECT attn_threads('many') } \
  {attn_threads: the number of threads is many; expected 1 to 64, or 0 for the number of cores}

offer attn_limit {- direct} { SELECT attn_limit('layers', 1000), attn_limit('layers') } \
  { SELECT attn_limit('layers', 0) } \
  {attn_limit: layers is 0; expected a whole number from 1 to 1024}
wrong attn_limit { SELECT attn_limit('size') } \
  {attn_limit: no limit "size"; there are: layers, heads, dimension, feed_forward, vocabulary, tokens, tensor_bytes, model_bytes, call_bytes}
wrong attn_limit { SELECT attn_limit(NULL) } {attn_limit: name is NULL; expected text}
wrong attn_limit { SELECT attn_limit('heads', NULL) } \
  {attn_limit: heads is NULL; expected a whole number from 1 to 1024}
wrong attn_limit { SELECT attn_limit('heads', 1025) } \
  {attn_limit: heads is 1025; expected a whole number from 1 to 1024}
wrong attn_limit { SELECT attn_limit('call_bytes', '9.5') } \
  {attn_limit: call_bytes is 9.5; expected a whole number from 1 on}
offer attn_limits table { SELECT name, value, maximum, counts FROM attn_limits } \
  { SELECT * FROM attn_limits(1) } {too many arguments on attn_limits() - max 0}

# --------------------------------------------------------------------------- tokens
offer attn_tokens table { SELECT position, id, token, start, end FROM attn_tokens('some words') } \
  { SELECT * FROM attn_tokens } {attn_tokens: 0 arguments found; expected 1 to 2}
offer attn_token_count pure { SELECT attn_token_count(body), attn_token_count(body, 'tiny') FROM docs } \
  { SELECT attn_token_count(x'00') } {text to tokenize is a blob; expected text}
offer attn_truncated pure { SELECT attn_truncated('some words words words words words words') } \
  { SELECT attn_truncated('a', 'none') } {no model "none"; there are: gpt, m, masked, tiny, torch}

# ------------------------------------------------------------------- inside a model
offer attn_attention table { SELECT layer, head, query, key, weight FROM attn_attention('some words', 'words', 'tiny') } \
  { SELECT * FROM attn_attention } {attn_attention: 0 arguments found; expected 1 to 3}
offer attn_heads table { SELECT layer, position, quote(query) FROM attn_heads('some words') } \
  { SELECT * FROM attn_heads } {attn_heads: 0 arguments found; expected 1 to 3}
offer attn_hidden table { SELECT layer, position, quote(vector) FROM attn_hidden('some words') } \
  { SELECT * FROM attn_hidden } {attn_hidden: 0 arguments found; expected 1 to 2}
offer attn_explain table { SELECT a, b, share FROM attn_explain('some', 'words', 'tiny') } \
  { SELECT * FROM attn_explain('a') } {attn_explain: 1 arguments found; expected 2 to 3}

offer attn_svg direct {
  SELECT attn_svg('heads', 'words', NULL, 'tiny'), attn_svg('model', 'some', 'words', 'tiny'),
    attn_svg('map', 'SELECT json_array(id, 1), body, id FROM docs'),
    attn_svg('curve', 'SELECT id, id * id, id % 2 FROM docs')
} { SELECT attn_svg('x', 1) } {attn_svg: kind is "x"; expected heads, model, map or curve}

# ------------------------------------------------------------------------- matrices
offer attn_matmul pure { SELECT quote(attn_matmul('[1,2,3,4]', '[1,2]', 1)) } \
  { SELECT attn_matmul('[1,2,3]', '[1,2]', 1) } \
  {attn_matmul: a has 3 numbers; expected rows of 2, as b is [2, 1]}
offer attn_transpose pure { SELECT quote(attn_transpose('[1,2,3,4]', 2)) } \
  { SELECT attn_transpose('[1,2,3]', 2) } {attn_transpose: x has 3 numbers; expected rows of 2}
offer attn_scale pure { SELECT quote(attn_scale('[1,2]', 0.5)) } \
  { SELECT attn_scale('[1]', 'x') } {attn_scale: factor is x; expected a number}
offer attn_linear pure { SELECT quote(attn_linear('[1,2]', '[1,2,3,4]', 2, '[1,2]')) } \
  { SELECT attn_linear('[1,2]', '[1,2]', 2, '[1,2]') } \
  {attn_linear: bias has 2 numbers; expected 1, one for each row of w}
offer attn_activate pure { SELECT quote(attn_activate('[-1,2]', 'gelu')) } \
  { SELECT attn_activate('[1]', 'x') } \
  {attn_activate: unknown activation "x"; expected relu, gelu, gelu_new, silu, tanh, sigmoid or linear}
offer attn_softmax pure { SELECT quote(attn_softmax('[1,2,3,4]', 2, 'causal')) } \
  { SELECT attn_softmax('[1,2]', 2, '[1]') } \
  {attn_softmax: mask has 1 numbers; expected 2 for all, or 2 for each of 1 queries}
offer attn_layer_norm pure { SELECT quote(attn_layer_norm('[1,2]', 2, '[1,2]', '[0,1]')) } \
  { SELECT attn_layer_norm('[1,2]', 2, '[1]') } \
  {attn_layer_norm: weight has 1 numbers; expected 2, one for each column of x}
offer attn_attend pure { SELECT quote(attn_attend('[1,2]', '[1,2,3,4]', '[1,2,3,4]', 2, 2, '[0,1]')) } \
  { SELECT attn_attend('[1,2]', '[1,2]', '[1,2]', 2, 3) } \
  {attn_attend: d is 2; expected a multiple of the 3 heads}
offer attn_weights pure { SELECT quote(attn_weights('[1,2]', '[1,2,3,4]', 2)) } \
  { SELECT attn_weights('[1]', '[1,2]', 2) } {attn_weights: q has 1 numbers; expected rows of 2}
offer attn_feed_forward pure { SELECT quote(attn_feed_forward('[1,2]', '[1,2]', '[1]', '[1,2]', '[1,2]')) } \
  { SELECT attn_feed_forward('[1,2]', '[1]', '[1]', '[1,2]', '[1,2]') } \
  {attn_feed_forward: w1 has 1 numbers; expected 2, b1's numbers times b2's}
offer attn_mask pure { SELECT quote(attn_mask('causal', 2)), quote(attn_mask('padding', 1, 2)),
                              quote(attn_mask('allow', '[1,0]')) } \
  { SELECT attn_mask('x', 2) } {attn_mask: kind is "x"; expected causal, padding or allow}
offer attn_one_hot pure { SELECT quote(attn_one_hot(1, 3)) } \
  { SELECT attn_one_hot(3, 3) } {attn_one_hot: id is 3; expected a whole number from 0 to 2}
offer attn_positions pure { SELECT quote(attn_positions(2, 2)) } \
  { SELECT attn_positions(2, 0) } {attn_positions: n is 0; expected a whole number from 1 to 2147483647}
offer attn_stack pure { SELECT quote(attn_stack(json_array(id, 1))) FROM docs } \
  { SELECT attn_stack(json_array(1, 2)), attn_stack('x') } \
  {attn_stack: vector: JSON array parsing error: Input does not start with '['}
offer attn_rows table { SELECT row, quote(vector) FROM attn_rows('[1,2,3,4]', 2) } \
  { SELECT * FROM attn_rows('[1,2,3]', 2) } {attn_rows: x has 3 numbers; expected rows of 2}

# ------------------------------------------------------------------------- decoders
offer attn_generate table { SELECT position, id, token, text, logprob
    FROM attn_generate('[1,2]', 'gpt', '{"max_tokens":3,"seed":1,"top_k":3}') } \
  { SELECT * FROM attn_generate('[1]', 'm') } \
  {attn_generate: a model of type distilbert has no language-model head}
offer attn_logits pure { SELECT quote(attn_logits(json('[1,2]'), 'gpt')) } \
  { SELECT attn_logits('[5]', 'gpt') } \
  {attn_logits: the text has token id 5; expected 0 to 4, as the model has embeddings}
offer attn_transformer pure { SELECT quote(attn_transformer('[1,2]', '[1,2,3,4]', 'torch',
    '{"causal":true,"src_mask":[[0.5]]}')) } \
  { SELECT attn_transformer('[1,2]', '[1]', 'torch') } \
  {attn_transformer: tgt has 1 numbers; expected rows of 2, the model's d_model}
offer attn_decode pure { SELECT attn_decode('[1,3,4,2]'), attn_decode('[3,5]', 'tiny', 1) } \
  { SELECT attn_decode('{}') } \
  {attn_decode: ids is a JSON object; expected an array of token ids such as [1,2]}
offer attn_train_tokenizer direct {
  SELECT attn_train_tokenizer('t', 'SELECT ''low lower''', '{"vocab_size":30}')
} { SELECT attn_train_tokenizer('m', 'SELECT 1') } {there is a model "m" already}
long attn_train_tokenizer {
  SELECT attn_train_tokenizer('t', 'SELECT body FROM docs',
    '{"type":"bpe","vocab_size":60,"initial_alphabet":[]}')
}
wrong attn_train_tokenizer { SELECT attn_train_tokenizer('t', 'SELECT NULL') } \
  {attn_train_tokenizer: the texts have no word to learn from}

offer attn_embedding pure { SELECT quote(attn_embedding(1)), attn_embedding('none', 'tiny') } \
  { SELECT attn_embedding(x'00') } {attn_embedding: token is a blob; expected text}
offer attn_nearest table {
  SELECT id, token, similarity FROM attn_nearest(attn_embedding(1), NULL, 3)
} { SELECT * FROM attn_nearest('[1]', NULL, -1) } \
  {attn_nearest: k is -1; expected a whole number from 0 on}
offer attn_fill_mask table {
  SELECT position, rank, id, token, probability FROM attn_fill_mask('a [MASK]', 'masked', 3)
} { SELECT * FROM attn_fill_mask('a') } \
  {attn_fill_mask: the model, of type distilbert, names no hidden words; expected one of masked\
 language modeling, such as BertForMaskedLM, and with its tokenizer}
wrong attn_fill_mask { SELECT * FROM attn_fill_mask('a', 'masked') } \
  {attn_fill_mask: there is no [MASK] among the 3 tokens of the text that the model sees}
offer attn_cloze direct {
  SELECT id, position, token, guess, rank, probability
  FROM attn_cloze('SELECT id, body FROM docs', 'masked', '{"seed":3}')
} { SELECT * FROM attn_cloze('SELECT 1', 'masked') } \
  {attn_cloze: the query has 1 column; expected two, an id and a text}
offer attn_train direct {
  SELECT epoch, step, steps, words, model FROM attn_train('words', 'SELECT body FROM docs',
    '{"dim": 2, "min_count": 1, "epochs": 1, "sample": 0}')
} { SELECT * FROM attn_train('words', 'SELECT 1', '{"dim": 0}') } \
  {attn_train: option dim is 0; expected a whole number from 1 to 4096}

# --------------------------------------------------------------------------- models
offer attn_import direct { SELECT attn_import('n', $::folder) } \
  { SELECT attn_import('n', '/nowhere') } {/nowhere: no such folder; expected a sentence-transformers folder}
also attn_import { SELECT attn_import('n', $::folder, 'int8') }
wrong attn_import { SELECT attn_import('n', '/nowhere', 'int4') } \
  {attn_import: precision is "int4"; expected f32 or int8}
offer attn_quantize direct { SELECT attn_quantize('m', 'q'); SELECT quote(embed('some words', 'q')) } \
  { SELECT attn_quantize('m', 'tiny') } {there is a model "tiny" already}
offer attn_export direct { SELECT attn_export('m', 'exported') } \
  { SELECT attn_export('none', 'exported') } {no model "none"; there are: gpt, m, masked, tiny, torch}
also attn_export { SELECT attn_export('gpt', 'exported') }
also attn_export { SELECT attn_import('n', $::folder, 'int8'), attn_export('n', 'exported') }
long attn_quantize { SELECT attn_quantize('m', 'q'); SELECT attn_export('q', 'exported'); SELECT attn_drop('q') }
offer attn_models table { SELECT name, dimension, layers, pooling, is_default FROM attn_models } \
  { SELECT * FROM attn_models(1) } {too many arguments on attn_models() - max 0}
offer attn_default {- direct} { SELECT attn_default('tiny'), attn_default() } \
  { SELECT attn_default('none') } {no model "none"; there are: gpt, m, masked, tiny, torch}
offer attn_rename direct { SELECT attn_rename('m', 'n') } \
  { SELECT attn_rename('m', 'tiny') } {there is a model "tiny" already}
offer attn_drop direct { SELECT attn_drop('m') } \
  { SELECT attn_drop('none') } {no model "none"; there are: gpt, m, masked, tiny, torch}
offer attn_create direct { SELECT attn_create('temp') } \
  { SELECT attn_create('none') } {libattn: unknown database "none"}

# ------------------------------------------------------------------------ the index
offer attn table {
  CREATE VIRTUAL TABLE w USING attn(e FLOAT[3], year INTEGER, metric=l2, exact=on);
  INSERT INTO w(e, year) VALUES ('[1,2,3]', 1), ('[3,2,1]', 2);
  SELECT rowid FROM w('[1,1,1]') WHERE year < 2
} { CREATE VIRTUAL TABLE w USING attn(year INTEGER) } \
  {attn: no column to search by; expected one for text (a name without a type) or a vector (FLOAT[n])}
also attn { CREATE VIRTUAL TABLE w USING attn(body, content=docs, content_rowid=id, model=tiny,
              prompts=on, deferred=on, chunk=8, overlap=2) }
also attn { INSERT INTO v(e, year) VALUES ('[1,2,4]', 9) }
also attn { UPDATE v SET e = '[1,1,1]', year = 3 WHERE rowid > 7 }
also attn { DELETE FROM v WHERE year = 2 }
also attn { SAVEPOINT s; DELETE FROM v WHERE rowid < 9; ROLLBACK TO s;
            INSERT INTO v(e) VALUES ('[3,3,3]'); RELEASE s }
also attn { SELECT rowid, distance FROM v WHERE v MATCH '[1,2,3]' AND k = 3 AND year IN (1, 2) }
also attn { SELECT count(*), sum(length(e)) FROM v('[1,2,3]') }
also attn { SELECT rowid FROM ai('some words') ORDER BY distance LIMIT 3 }
also attn { SELECT e FROM v WHERE rowid = 3 }
also attn { INSERT INTO v(v) VALUES ('optimize') }
also attn { INSERT INTO v(v) VALUES ('integrity-check') }
also attn { INSERT INTO v(v) VALUES ('delete-all') }
also attn { INSERT INTO v(v, rowid) VALUES ('delete', 3) }
also attn { INSERT INTO v(v, rank) VALUES ('exact', 1) }
also attn { INSERT INTO v(v, rank) VALUES ('lists', 2); INSERT INTO v(v) VALUES ('optimize') }
also attn { INSERT INTO v(v, rank) VALUES ('probes', 2) }
also attn { CREATE VIRTUAL TABLE w USING attn(e FLOAT[3], lists=2, probes=1) }
also attn { INSERT INTO ai(ai, rank) VALUES ('step', 10) }
also attn { INSERT INTO ai(ai, rank) VALUES ('rebuild', 10) }
also attn { INSERT INTO ai(ai, rank) VALUES ('deferred', 0); INSERT INTO docs(body) VALUES ('some') }
long attn { ALTER TABLE v RENAME TO u; SELECT count(*) FROM u }
also attn { DROP TABLE v }
wrong attn { INSERT INTO v(v) VALUES ('explode') } \
  {v: unknown command 'explode'; expected rebuild, step, optimize, integrity-check, delete-all, delete, deferred, exact, lists or probes}
offer attn_status table { SELECT name, rows, pending, model FROM attn_status } \
  { SELECT * FROM attn_status(1) } {too many arguments on attn_status() - max 0}
offer attn_triggers direct { SELECT attn_triggers('ai') } \
  { SELECT attn_triggers('v') } {v has no content table to follow}
also attn_triggers { CREATE VIRTUAL TABLE w USING attn(body, content=docs, content_rowid=id);
                     SELECT attn_triggers('w', 1) }
offer attn_highlight - { SELECT attn_highlight(ai) FROM ai('some') LIMIT 1 } \
  { SELECT attn_highlight('ai') } {attn_highlight: expected the table-named column of an attn table, in a query with MATCH}
offer attn_cache {- direct} { SELECT attn_cache(1000000), attn_cache() } \
  { SELECT attn_cache(-1) } {attn_cache: bytes is -1; expected a whole number from 0 on}

# -------------------------------------------------------------------------- vectors
offer vec_f32 pure { SELECT quote(vec_f32('[1,2,3]')) } \
  { SELECT vec_f32(7) } \
  {Input must have type BLOB (compact format) or TEXT (JSON), found INTEGER}
offer vec_int8 pure { SELECT quote(vec_int8('[1,2,3]')) } \
  { SELECT vec_int8('[1,300]') } {JSON parsing error: value out of range for int8}
offer vec_bit pure { SELECT quote(vec_bit(x'0f')) } \
  { SELECT vec_bit('[1]') } {Unknown type for bitvector.}
offer vec_length pure { SELECT quote(vec_length('[1,2,3]')) } \
  { SELECT vec_length(7) } \
  {Input must have type BLOB (compact format) or TEXT (JSON), found INTEGER}
offer vec_type pure { SELECT quote(vec_type(vec_int8('[1,2,3]'))) } \
  { SELECT vec_type(7) } \
  {Input must have type BLOB (compact format) or TEXT (JSON), found INTEGER}
offer vec_to_json pure { SELECT quote(vec_to_json(vec_f32('[1,2,3]')) || vec_to_json(vec_bit(x'0f'))) } \
  { SELECT vec_to_json(7) } \
  {Input must have type BLOB (compact format) or TEXT (JSON), found INTEGER}
offer vec_add pure { SELECT quote(vec_add('[1,2,3]', vec_f32('[1,1,1]'))) } \
  { SELECT vec_add('[1]', '[1,2]') } \
  {Vector dimension mistmatch. First vector has 1 dimensions, while the second has 2 dimensions.}
offer vec_sub pure { SELECT quote(vec_sub(vec_int8('[1,2,3]'), vec_int8('[1,1,1]'))) } \
  { SELECT vec_sub('[1', '[1]') } \
  {Error reading 1st vector: JSON parsing error: the text ends before ']'}
offer vec_slice pure { SELECT quote(vec_slice('[1,2,3]', 1, 2)) } \
  { SELECT vec_slice('[1,2,3]', 2, 1) } {slice 'start' index is greater than 'end' index}
offer vec_normalize pure { SELECT quote(vec_normalize('[1,2,3]')) } \
  { SELECT vec_normalize(vec_bit(x'0f')) } \
  {only float32 vectors are supported when normalizing}
offer vec_quantize_int8 pure { SELECT quote(vec_quantize_int8('[1,0.5,-1]', 'unit')) } \
  { SELECT vec_quantize_int8('[1]', 'x') } \
  {2nd argument to vec_quantize_int8() must be 'unit'.}
offer vec_quantize_binary pure { SELECT quote(vec_quantize_binary('[1,2,3,4,5,6,-7,8]')) } \
  { SELECT vec_quantize_binary(7) } \
  {Input must have type BLOB (compact format) or TEXT (JSON), found INTEGER}
offer vec_distance_l1 pure { SELECT quote(vec_distance_l1('[1,2,3]', '[1,1,1]')) } \
  { SELECT vec_distance_l1('[1]', '[1') } \
  {Error reading 2nd vector: JSON parsing error: the text ends before ']'}
offer vec_distance_l2 pure { SELECT quote(vec_distance_l2('[1,2,3]', '[1,1,1]')) } \
  { SELECT vec_distance_l2(7, '[1]') } \
  {Error reading 1st vector: Input must have type BLOB (compact format) or TEXT (JSON), found INTEGER}
offer vec_distance_cosine pure { SELECT quote(vec_distance_cosine('[1,2,3]', '[1,1,1]')) } \
  { SELECT vec_distance_cosine('[1]', 7) } \
  {Error reading 2nd vector: Input must have type BLOB (compact format) or TEXT (JSON), found INTEGER}
offer vec_distance_hamming pure { SELECT quote(vec_distance_hamming(vec_bit(x'0f'), vec_bit(x'ff'))) } \
  { SELECT vec_distance_hamming('[1]', '[1]') } \
  {Cannot calculate hamming distance between two float32 vectors.}
offer vec_each table { SELECT rowid, value FROM vec_each('[1,2,3]') } \
  { SELECT * FROM vec_each('[x]') } {JSON parsing error}
also vec_each { SELECT sum(value) FROM vec_each(vec_int8('[1,2,3]')) }

# ---------------------------------------------------------------------------- about
offer attn_version pure { SELECT attn_version() } \
  { SELECT attn_version(1) } {wrong number of arguments to function attn_version()}
offer attn_info - { SELECT json_type(attn_info(), '$.isa') } \
  { SELECT attn_info(1) } {wrong number of arguments to function attn_info()}

# --------------------------------------------------------------------- the database
# The smallest folder that is a model: every allocation of an import is to fail once,
# so there should be few.
proc make_smallest {folder} {
  file mkdir $folder/1_Pooling
  write_file $folder/modules.json {[{"path":"","type":"a.Transformer"},{"path":"1_Pooling","type":"a.Pooling"}]}
  write_file $folder/1_Pooling/config.json {{"pooling_mode":"cls"}}
  write_file $folder/config.json {{"model_type":"distilbert","dim":2,"n_layers":1,"n_heads":1,
    "hidden_dim":2,"vocab_size":5,"max_position_embeddings":8}}
  write_file $folder/vocab.txt "\[UNK\]\n\[CLS\]\n\[SEP\]\nsome\nwords\n"
  set shapes {embeddings.word_embeddings.weight {5 2} embeddings.position_embeddings.weight {8 2}}
  foreach norm {embeddings.LayerNorm transformer.layer.0.sa_layer_norm
                transformer.layer.0.output_layer_norm} {
    lappend shapes $norm.weight 2 $norm.bias 2
  }
  foreach linear {attention.q_lin attention.k_lin attention.v_lin attention.out_lin
                  ffn.lin1 ffn.lin2} {
    lappend shapes transformer.layer.0.$linear.weight {2 2} transformer.layer.0.$linear.bias 2
  }
  write_ones $folder $shapes
}

# Decoders as small: a transformers folder, and a torch.nn.Transformer's state_dict.
proc make_decoders {} {
  file mkdir gpt torch
  write_file gpt/config.json {{"model_type":"gpt2","n_embd":2,"n_layer":1,"n_head":1,
    "n_inner":2,"vocab_size":5,"n_positions":8}}
  set shapes {wte.weight {5 2} wpe.weight {8 2} h.0.attn.c_attn.weight {2 6} h.0.attn.c_attn.bias 6}
  foreach linear {attn.c_proj mlp.c_fc mlp.c_proj} {
    lappend shapes h.0.$linear.weight {2 2} h.0.$linear.bias 2
  }
  foreach norm {h.0.ln_1 h.0.ln_2 ln_f} { lappend shapes $norm.weight 2 $norm.bias 2 }
  write_ones gpt $shapes

  write_file torch/config.json {{"model_type":"torch.nn.Transformer","d_model":2,"nhead":1,
    "num_encoder_layers":1,"num_decoder_layers":1,"dim_feedforward":2}}
  set shapes {}
  foreach {side attentions norms} {encoder self_attn {norm1 norm2}
                                   decoder {self_attn multihead_attn} {norm1 norm2 norm3}} {
    set layer $side.layers.0
    foreach attention $attentions {
      lappend shapes $layer.$attention.in_proj_weight {6 2} $layer.$attention.in_proj_bias 6 \
        $layer.$attention.out_proj.weight {2 2} $layer.$attention.out_proj.bias 2
    }
    foreach linear {linear1 linear2} {
      lappend shapes $layer.$linear.weight {2 2} $layer.$linear.bias 2
    }
    foreach norm $norms { lappend shapes $layer.$norm.weight 2 $layer.$norm.bias 2 }
    lappend shapes $side.norm.weight 2 $side.norm.bias 2
  }
  write_ones torch $shapes
}

# model.safetensors with tensors of ones: a list of names and shapes.
proc write_ones {folder shapes} {
  set header {}
  set end 0
  foreach {name shape} $shapes {
    set begin $end
    incr end [expr [join $shape *] * 4]
    lappend header "\"$name\":{\"dtype\":\"F32\",\"shape\":\[[join $shape ,]\],\"data_offsets\":\[$begin,$end\]}"
  }
  set header "{[join $header ,]}"
  set ones [string repeat "\0\0\200\77" [expr {$end / 4}]]
  write_file $folder/model.safetensors "[binary format w [string length $header]]$header$ones"
}

set folder [file normalize smallest]
proc surface_database {} {
  make_smallest $::folder
  make_decoders
  set tiny [fixture st/bert_mean]
  set masked [fixture cloze/bert]
  db eval {
    SELECT attn_import('m', $::folder);
    SELECT attn_import('tiny', $tiny), attn_import('masked', $masked);
    SELECT attn_import('gpt', 'gpt'), attn_import('torch', 'torch');
    CREATE TABLE docs(id INTEGER PRIMARY KEY, body);
    INSERT INTO docs(body) VALUES ('some words'), ('words');
    CREATE VIRTUAL TABLE ai USING attn(body, content=docs, content_rowid=id, model=m,
                                       metric=l2, deferred=on);
    SELECT attn_triggers('ai', 1);
    INSERT INTO ai(ai, rank) VALUES ('rebuild', 10);
    INSERT INTO docs(body) VALUES ('some'), (NULL);
    CREATE VIRTUAL TABLE v USING attn(e FLOAT[3], year INTEGER);
    WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10)
    INSERT INTO v(rowid, e, year) SELECT i, vec_f32(json_array(i, i % 3, 1)), i % 4 FROM n;
  }
}
