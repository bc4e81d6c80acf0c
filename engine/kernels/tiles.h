/*
** tiles.h - cuts a product into tiles whose sums fit in registers.
**
** A template.  The file that includes it has included a lanes_ header and math16.h
** and defined
**
**   TILE_ROWS     rows of a tile at most, up to 8: more of them have more addresses than
**                 there are registers, and the weights of a panel come from a near cache
**   TILE_PANELS   panels of a tile at most, 1 or 2
**   product       the type of a product: has members m and out
**   tile          writes the sums of a tile, the bias included, [rows][panels][16], rows
**                 `stride` apart; rows and panels are constants where it is inlined, so that
**                 sums are registers
**   GELU16        ATTNE_GELU of a result
**
** The weights of a panel are read once for all rows.
*/
#ifndef ATTNE_TILES_H
#define ATTNE_TILES_H

#define JOIN(a, b)  JOIN_(a, b)
#define JOIN_(a, b) a##b

#define REPEAT_1(f, p) f(1, p)
#define REPEAT_2(f, p) REPEAT_1(f, p) f(2, p)
#define REPEAT_3(f, p) REPEAT_2(f, p) f(3, p)
#define REPEAT_4(f, p) REPEAT_3(f, p) f(4, p)
#define REPEAT_5(f, p) REPEAT_4(f, p) f(5, p)
#define REPEAT_6(f, p) REPEAT_5(f, p) f(6, p)
#define REPEAT_7(f, p) REPEAT_6(f, p) f(7, p)
#define REPEAT_8(f, p) REPEAT_7(f, p) f(8, p)

/* f(1, p) f(2, p) ... up to TILE_ROWS */
#define FOR_ROWS(f, p) JOIN(REPEAT_, TILE_ROWS)(f, p)

typedef void tile_kernel(const product *g, size_t row, size_t panel, float *sums,
                         size_t stride);

#define TILE(rows, panels)                                                               \
  static void tile_##rows##x##panels(const product *g, size_t row, size_t panel,         \
                                     float *sums, size_t stride) {                       \
    tile(g, row, panel, rows, panels, sums, stride);                                     \
  }
#define TILE_NAME(rows, panels) tile_##rows##x##panels,

FOR_ROWS(TILE, 1)
#if TILE_PANELS == 2
FOR_ROWS(TILE, 2)
#endif

static tile_kernel *const tiles[TILE_PANELS][TILE_ROWS] = {
    {FOR_ROWS(TILE_NAME, 1)},
#if TILE_PANELS == 2
    {FOR_ROWS(TILE_NAME, 2)},
#endif
};

/* Takes rows [row, end) of some panels from sums to the output, of which the last panel
** has fewer columns. */
INLINE void finish_rows(const product *g, size_t row, size_t end, size_t column,
                        size_t panels, const float *sums, size_t stride,
                        attne_store store, attne_activation activation) {
  const attne_output *out = &g->out;
  for (; row < end; row++, sums += stride) {
    float *c = out->c + row * out->ldc + column;
    for (size_t p = 0; p < panels; p++, c += ATTNE_PANEL) {
      const size_t n = out->n - column - p * ATTNE_PANEL;
      v16 x = v16_load(sums + p * ATTNE_PANEL);
      x = activation == ATTNE_GELU ? GELU16(x) : activate16(activation, x);
      if (n >= ATTNE_PANEL) {
        v16_store(c, store == ATTNE_ADD ? v16_add(v16_load(c), x) : x);
      } else {
        if (store == ATTNE_ADD) x = v16_add(v16_load_n(c, n, x), x);
        v16_store_n(c, n, x);
      }
    }
  }
}

/* The usual ones have a loop of their own, in which nothing is left to decide. */
static void finish(const product *g, size_t row, size_t end, size_t column, size_t panels,
                   const float *sums, size_t stride) {
  const attne_output *out = &g->out;
  const attne_store store = out->store;
  const attne_activation activation =
      store == ATTNE_SET ? out->activation : ATTNE_IDENTITY;
  const int is_whole = out->n - column >= TILE_PANELS * ATTNE_PANEL;
  if (is_whole && activation == ATTNE_GELU) {
    finish_rows(g, row, end, column, TILE_PANELS, sums, stride, ATTNE_SET, ATTNE_GELU);
  } else if (is_whole && store == ATTNE_ADD) {
    finish_rows(g, row, end, column, TILE_PANELS, sums, stride, ATTNE_ADD,
                ATTNE_IDENTITY);
  } else {
    finish_rows(g, row, end, column, panels, sums, stride, store, activation);
  }
}

/* Where in the output the sums of a tile are written at once, which nothing has to be
** added to; or NULL. */
INLINE float *place(const product *g, size_t row, size_t panel, size_t panels) {
  const attne_output *out = &g->out;
  const size_t column = panel * ATTNE_PANEL;
  if (out->store == ATTNE_ADD || out->n - column < panels * ATTNE_PANEL) return NULL;
  return out->c + row * out->ldc + column;
}

static void gemm(const product *g) {
  const attne_output *out = &g->out;
  const size_t n_panel = (out->n + ATTNE_PANEL - 1) / ATTNE_PANEL;
  _Alignas(64) float sums[TILE_ROWS * TILE_PANELS * ATTNE_PANEL];
  for (size_t panel = 0; panel < n_panel; panel += TILE_PANELS) {
    size_t panels = n_panel - panel < TILE_PANELS ? n_panel - panel : TILE_PANELS;
    const size_t n_block =
        (g->m + TILE_ROWS - 1) / TILE_ROWS; /* of nearly equal height */
    size_t row = 0, height = g->m / n_block, n_higher = g->m % n_block;
    for (size_t end; row < g->m; row = end) {
      end = row + height + (n_higher > 0);
      if (n_higher) n_higher--;
      float *at = place(g, row, panel, panels);
      size_t stride = at ? out->ldc : panels * ATTNE_PANEL;
      tiles[panels - 1][end - row - 1](g, row, panel, at ? at : sums, stride);
      if (at && (out->store != ATTNE_SET || out->activation == ATTNE_IDENTITY)) continue;
      finish(g, row, end, panel * ATTNE_PANEL, panels, at ? at : sums, stride);
    }
  }
}

#endif
