/*
** bert.h - a BERT encoder that learns: its parameters, the loss of the cloze and its
** gradient by every one of them, and a step of AdamW.
**
** Devlin, Chang, Lee and Toutanova, "BERT: Pre-training of Deep Bidirectional
** Transformers for Language Understanding" (2019), as transformers' BertForMaskedLM
** computes it:
**
**   x = drop(norm(word[id] + position + type))
**   each layer:  x = norm(x + drop(attention(x) Woᵀ + bo)),  weights of attention dropped
**                x = norm(x + drop(gelu(x Wuᵀ + bu) Wdᵀ + bd))
**   at each masked token:  norm(gelu(x Wtᵀ + bt)) wordᵀ + b  ->  softmax over the tokens
**   loss = mean of -log p[true token]
**
** Texts of a batch have no padding: their tokens are the rows of one matrix.  A step is a
** number of jobs, each of pieces that no thread shares with another and whose cut depends
** on the batch alone; every sum runs over its terms in one order.  So the result has the
** same bits for any number of threads and on every instruction set.
*/
#ifndef ATTNE_BERT_H
#define ATTNE_BERT_H

#include "../model/architecture.h"

enum { ATTNE_BERT_LAYERS = 24 };

/* d_model is a multiple of n_head. */
typedef struct attne_bert_shape {
  uint32_t n_vocab, d_model, n_layer, n_head, d_ff;
  uint32_t max_length; /* tokens of a text */
  uint32_t max_token;  /* of a batch */
  uint32_t max_masked; /* of a batch */
} attne_bert_shape;

/* A matrix [n_out, n_in] and its bias, by where they begin among the parameters. */
typedef struct attne_bert_dense {
  uint32_t n_out, n_in;
  size_t weight, bias;
} attne_bert_dense;

typedef struct attne_bert_norm {
  size_t weight, bias;
} attne_bert_norm;

typedef struct attne_bert_layer {
  attne_bert_dense qkv, out, up,
      down; /* qkv: query, key and value, one below the other */
  attne_bert_norm norm_attention, norm_ffn;
} attne_bert_layer;

/* All parameters are one array.  Matrices come first, which are what weight decay is for;
** biases and norms stand behind them. */
typedef struct attne_bert {
  attne_bert_shape shape;
  size_t word, position, type; /* [n_vocab, d], [max_length, d], [1, d] */
  attne_bert_norm norm_embedding;
  attne_bert_layer layer[ATTNE_BERT_LAYERS];
  attne_bert_dense transform;
  attne_bert_norm norm_head;
  size_t bias; /* [n_vocab] */
  size_t n_decay, n;

  float *weight, *gradient; /* [n] */
  float *first, *second;    /* [n]: AdamW's moments */
  struct attne_bert_memory *memory;
} attne_bert;

/* Places the parameters: a struct of zeros gets shape, and everything up to `n`. */
void attne_bert_place(attne_bert *bert, const attne_bert_shape *shape);

/* Memory for parameters, gradient, moments (all zero) and for what a batch needs;
** n_thread: how many work at a time, at most. */
attn_status attne_bert_alloc(attne_bert *bert, uint32_t n_thread, attn_error *err);
void attne_bert_free(attne_bert *bert); /* what attne_bert_alloc made, or half made */

/* BERT's first weights: normal numbers times 0.02 for the matrices (sums of twelve
** uniform ones, less 6), 1 for the factors of the norms, 0 for biases. */
void attne_bert_first_weights(attne_bert *bert, uint64_t seed);

/* One tensor, by the name that the table of architectures has for it. */
typedef struct attne_bert_tensor {
  char name[ATTNE_MAX_NAME];
  size_t at;
  int64_t n_row, n_column; /* n_column 0: a vector */
} attne_bert_tensor;

enum { ATTNE_BERT_TENSORS = 16 * ATTNE_BERT_LAYERS + 10 };

/* Sorted by name; returns how many. */
size_t attne_bert_tensors(const attne_bert *bert, attne_bert_tensor *out);

/* Texts with some tokens masked: text i is the rows begin[i] .. begin[i + 1] of id, and
** its masked ones are entries masked_begin[i] .. masked_begin[i + 1] of row and target.
*/
typedef struct attne_bert_batch {
  size_t n;
  const uint32_t *id, *begin;
  const uint32_t *masked_begin, *row, *target;
} attne_bert_batch;

typedef struct attne_bert_pass {
  const attne_bert_batch *batch; /* at least one masked token */
  double dropout;                /* 0: none */
  uint64_t key;                  /* of the random numbers of dropout */
  int (*stop)(void *ctx);        /* asked by the calling thread; may be NULL */
  void *ctx;
} attne_bert_pass;

/* Loss, and the gradient of it.  ATTN_INTERRUPTED: neither. */
attn_status attne_bert_gradient(attne_bert *bert, const attne_bert_pass *pass,
                                double *loss);

/* Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), with bias
** correction, after the gradient has been scaled to a length of `clip` where it is longer
** (0: never).  As torch.optim.AdamW computes it. */
typedef struct attne_adamw {
  double rate, beta1, beta2, eps, decay, clip;
  uint64_t step; /* from 1 */
} attne_adamw;

/* Returns the length that the gradient had. */
double attne_bert_step(attne_bert *bert, const attne_adamw *adamw);

/* ---------------------------------------------------------------- between its files */

/* A matrix as both products want it (kernels.h): outputs are its rows, or its columns. */
typedef struct attne_bert_packed {
  float *rows, *columns;
} attne_bert_packed;

enum { ATTNE_BERT_DENSE = 4 * ATTNE_BERT_LAYERS + 2 };

/* Whole texts that are taken through the network together. */
typedef struct attne_bert_group {
  uint32_t first, end; /* texts of the batch */
} attne_bert_group;

/* What a layer's forward pass leaves for the backward pass, and that for the gradients of
** its matrices.  Rows are tokens of the batch. */
typedef struct attne_bert_activation {
  float *x;        /* [d]: its input */
  float *qkv;      /* [3 d]; then the gradient of it */
  float *weights;  /* [n_head, max_length]: of attention, before dropout */
  float *context;  /* [d] */
  float *attended; /* [d]: what norm_attention gets; then the gradient of out's result */
  float *y;        /* [d]: what the feed-forward block gets */
  float *slope;    /* [d_ff]: of gelu; then the gradient of up's result */
  float *wide;     /* [d_ff]: what down gets */
  float *fed;      /* [d]: what norm_ffn gets; then the gradient of down's result */
} attne_bert_activation;

typedef struct attne_bert_memory {
  char *block;                                /* holds all that follows but the slots */
  attne_bert_packed packed[ATTNE_BERT_DENSE]; /* 4 a layer, transform, word */
  attne_bert_activation layer[ATTNE_BERT_LAYERS];
  float *embedded; /* [max_token, d]: what norm_embedding gets; then the gradient of it */
  float *x;        /* [max_token, d]: the output of the last layer */
  float *d_x;      /* [max_token, d]: the gradient of what is at work */
  float *d_y;      /* [max_token, d]: scratch */
  float *d_wide;   /* [max_token, d_ff]: scratch */
  float *picked;   /* [max_masked, d]: of x, the masked tokens */
  float *slope;    /* [max_masked, d]: of gelu; then the gradient of transform's result */
  float *activated; /* [max_masked, d]: what norm_head gets */
  float *head;      /* [max_masked, d]: what is multiplied by the words */
  float *d_head;    /* [max_masked, d]: scratch */
  float *logits;    /* [max_masked, n_vocab]; then p, then the gradient */
  float *norms;     /* [max_token groups, n_norm, 2, d]: parts of the norms' gradients */
  double *loss;     /* [max_token]: of each group */
  double *squares;  /* of each piece of the gradient */
  attne_bert_group *group;
  size_t n_group;
  float *slot[ATTN_MAX_THREADS]; /* scratch of a thread */
  uint32_t n_slot;
} attne_bert_memory;

/* Norms in the order of `norms`: of the embedding, two a layer, of the head. */
static inline uint32_t attne_bert_norms(const attne_bert_shape *s) {
  return 2 * s->n_layer + 2;
}

enum {
  ATTNE_BERT_GROUP = 128, /* a group gets no more texts when it has so many tokens */
  ATTNE_BERT_BLOCK = 64,  /* rows of a matrix that are a piece of work */
  ATTNE_BERT_STEP = 16384 /* parameters that are a piece of a step */
};

/* Floats of scratch that a thread needs: for a group, for a piece of a gradient. */
size_t attne_bert_pass_scratch(const attne_bert_shape *shape);
size_t attne_bert_sum_scratch(const attne_bert_shape *shape);

/* Forward and backward through one group: everything but the gradients of parameters. */
void attne_bert_group_pass(const attne_bert *bert, const attne_bert_pass *pass,
                           size_t group, float *scratch);

/* Matrix i of `packed`. */
attne_bert_dense attne_bert_matrix(const attne_bert *bert, uint32_t i);

#endif
