/*
** folder.c - reading a sentence-transformers folder into one document.
**
**   modules.json                       the chain of modules; without it, Transformer
**                                      and mean Pooling, where that makes a model
**   <transformer>/config.json          architecture and sizes
**   <transformer>/sentence_bert_config.json    max_seq_length, do_lower_case
**   <transformer>/tokenizer.json, tokenizer_config.json, vocab.txt, vocab.json, merges.txt
**   <transformer>/generation_config.json       how to generate
**   <module>/config.json               of each further module
**   config_sentence_transformers.json  prompts
**   README.md                          "license: ..." between its first two ---
**
** SQLite's JSON functions do the parsing.  What comes out is the document that
** engine/attn.h describes, with tokenizer.json less its large parts under
** $.tokenizer.
*/
#include "folder.h"
#include "../file.h"
#include "../json.h"
#include "tensor_file.h"
#include "vocab.h"
#include <string.h>

enum { MAX_JSON = 256 << 20 };

typedef struct reader {
  sqlite3 *db;
  char **error;
  const char *path;  /* of the folder */
  char *transformer; /* of the transformer's files */
  char *modules;     /* JSON so far */
  attns_folder *folder;
} reader;

/* ------------------------------------------------------------------------ JSON */

/* The text that a format makes; NULL when there is no memory. */
#define text_of sqlite3_mprintf

/* Runs a query of one value, with up to 8 texts bound; NULL for SQL NULL. */
static int evaluate(reader *r, const char *sql, const char *const *argument, int n,
                    char **out) {
  sqlite3_stmt *stmt;
  *out = NULL;
  int rc = attns_prepare(r->db, &stmt, r->error, "%s", sql);
  if (rc != SQLITE_OK) return rc;
  for (int i = 0; i < n; i++)
    sqlite3_bind_text(stmt, i + 1, argument[i], -1, SQLITE_STATIC);
  rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    *out = text ? sqlite3_mprintf("%s", text) : NULL;
    rc = *out || sqlite3_column_type(stmt, 0) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
  } else if (rc != SQLITE_DONE) {
    rc = attns_sql_db_error(r->db, "JSON", r->error);
  } else {
    rc = SQLITE_OK;
  }
  sqlite3_finalize(stmt);
  return rc;
}

/* Reads folder/name as JSON of a type ("object", "array"), minified.  A file that
** is not there gives NULL, or an error where it is required. */
static int read_json(reader *r, const char *folder, const char *name, const char *type,
                     int required, char **out) {
  attns_bytes bytes = {0};
  char *found = NULL;
  *out = NULL;
  char *path = text_of("%s/%s", folder, name);
  if (!path) return SQLITE_NOMEM;
  int rc = SQLITE_OK;
  if (required || attns_file_is(path, 'f')) {
    rc = attns_file_read(path, MAX_JSON, r->error, &bytes);
  }
  if (rc == SQLITE_OK && bytes.data) {
    const char *argument[] = {bytes.data};
    rc = attns_json_type(r->db, &bytes, r->error, &found);
    if (rc == SQLITE_OK && (!found || strcmp(found, type) != 0)) {
      rc = attns_sql_fail(r->error, SQLITE_ERROR, "%s: found %s%s; expected a JSON %s",
                          path, found ? "a JSON " : "no valid JSON", found ? found : "",
                          type);
    }
    if (rc == SQLITE_OK) rc = evaluate(r, "SELECT json(?1)", argument, 1, out);
  }
  sqlite3_free(found);
  sqlite3_free(bytes.data);
  sqlite3_free(path);
  return rc;
}

/* --------------------------------------------------------------------- modules */

static int check_relative(reader *r, const char *path) {
  if (attns_file_is_below(path)) return SQLITE_OK;
  return attns_sql_fail(r->error, SQLITE_ERROR,
                        "%s/modules.json: path \"%s\" leads out of the folder", r->path,
                        path);
}

static int add_module(reader *r, const char *class, const char *path,
                      const char *config) {
  const char *argument[] = {r->modules, class, path, config};
  const char *dot = strrchr(class, '.');
  const char *type = dot ? dot + 1 : class;
  char *all;
  char *sql =
      text_of("SELECT json_insert(?1, '$[#]', json_object('type', %Q, 'class', ?2,"
              " 'path', ?3, 'config', json(?4)))",
              type);
  if (!sql) return SQLITE_NOMEM;
  int rc = evaluate(r, sql, argument, 4, &all);
  sqlite3_free(sql);
  if (rc != SQLITE_OK) return rc;
  sqlite3_free(r->modules);
  r->modules = all;
  return all ? SQLITE_OK : SQLITE_NOMEM;
}

static int add_tensor_files(reader *r, const char *folder, const char *path) {
  char *prefix = *path ? text_of("%s/", path) : text_of("");
  if (!prefix) return SQLITE_NOMEM;
  int rc = attns_tensor_files_read(r->db, folder, prefix, r->error, r->folder);
  sqlite3_free(prefix);
  return rc;
}

/* Is there a class of modules that has weights of its own? */
static int has_weights(const char *class) {
  const char *dot = strrchr(class, '.');
  return strcmp(dot ? dot + 1 : class, "Dense") == 0;
}

/* A module behind the first one. */
static int read_module(reader *r, const char *class, const char *path) {
  char *config = NULL;
  char *folder = *path ? text_of("%s/%s", r->path, path) : text_of("%s", r->path);
  if (!folder) return SQLITE_NOMEM;
  int rc = SQLITE_OK;
  if (*path) rc = read_json(r, folder, "config.json", "object", 0, &config);
  if (rc == SQLITE_OK) rc = add_module(r, class, path, config);
  if (rc == SQLITE_OK && has_weights(class)) rc = add_tensor_files(r, folder, path);
  sqlite3_free(config);
  sqlite3_free(folder);
  return rc;
}

static int read_transformer_place(reader *r, const char *class, const char *path) {
  r->transformer = *path ? text_of("%s/%s", r->path, path) : text_of("%s", r->path);
  if (!r->transformer) return SQLITE_NOMEM;
  int rc = add_module(r, class, path, NULL);
  return rc == SQLITE_OK ? add_tensor_files(r, r->transformer, "") : rc;
}

/* Walks over modules.json: rows of class and path. */
static int read_modules(reader *r, const char *json) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(r->db, &stmt, r->error,
                         "SELECT json_extract(value, '$.type'),"
                         " coalesce(json_extract(value, '$.path'), '')"
                         " FROM json_each(?1) WHERE type = 'object' ORDER BY key");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, json, -1, SQLITE_STATIC);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *class = (const char *)sqlite3_column_text(stmt, 0);
    const char *path = (const char *)sqlite3_column_text(stmt, 1);
    if (!class || !path) {
      rc = attns_sql_fail(r->error, SQLITE_ERROR, "%s/modules.json: a module has no type",
                          r->path);
      break;
    }
    rc = check_relative(r, path);
    if (rc != SQLITE_OK) break;
    rc = r->transformer ? read_module(r, class, path)
                        : read_transformer_place(r, class, path);
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (!*r->error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(r->db, "modules.json", r->error);
  }
  sqlite3_finalize(stmt);
  if (rc == SQLITE_OK && !r->transformer) {
    rc = attns_sql_fail(r->error, SQLITE_ERROR, "%s/modules.json: lists no module",
                        r->path);
  }
  return rc;
}

/* A plain transformers folder: sentence-transformers adds mean pooling, which an encoder
** is made for; one that decodes is left alone. */
static int default_modules(reader *r) {
  char *config = NULL, *type = NULL;
  int rc = read_transformer_place(r, "sentence_transformers.models.Transformer", "");
  if (rc == SQLITE_OK) rc = read_json(r, r->path, "config.json", "object", 1, &config);
  if (rc == SQLITE_OK) {
    const char *argument[] = {config};
    rc = evaluate(r, "SELECT json_extract(?1, '$.model_type')", argument, 1, &type);
  }
  int decodes = type && attn_model_type_decodes(type);
  sqlite3_free(config);
  sqlite3_free(type);
  if (rc != SQLITE_OK) return rc;
  if (decodes) {
    sqlite3_free(r->modules);
    r->modules = text_of("[]");
    return r->modules ? SQLITE_OK : SQLITE_NOMEM;
  }
  return add_module(r, "sentence_transformers.models.Pooling", "1_Pooling",
                    "{\"pooling_mode_mean_tokens\":true}");
}

/* ------------------------------------------------------------------- the document */

/* The name depends on the architecture that a folder was made for. */
static int read_sentence_config(reader *r, char **out) {
  static const char *const names[] = {"bert",   "roberta",     "distilbert", "camembert",
                                      "albert", "xlm-roberta", "xlnet"};
  int rc = SQLITE_OK;
  *out = NULL;
  for (size_t i = 0; rc == SQLITE_OK && !*out && i < sizeof names / sizeof names[0];
       i++) {
    char *name = text_of("sentence_%s_config.json", names[i]);
    if (!name) return SQLITE_NOMEM;
    rc = read_json(r, r->transformer, name, "object", 0, out);
    sqlite3_free(name);
  }
  return rc;
}

/* "license: apache-2.0" in the front matter of README.md. */
static int read_license(reader *r) {
  attns_bytes bytes = {0};
  char *path = text_of("%s/README.md", r->path);
  if (!path) return SQLITE_NOMEM;
  int rc = attns_file_is(path, 'f') ? attns_file_read(path, MAX_JSON, r->error, &bytes)
                                    : SQLITE_OK;
  char *end = bytes.data && strncmp(bytes.data, "---\n", 4) == 0
                  ? strstr(bytes.data + 3, "\n---")
                  : NULL;
  char *line = end ? strstr(bytes.data, "\nlicense:") : NULL;
  if (line && line < end) {
    line += strlen("\nlicense:");
    line += strspn(line, " ");
    r->folder->license = text_of("%.*s", (int)strcspn(line, " \r\n"), line);
    if (!r->folder->license) rc = SQLITE_NOMEM;
  }
  sqlite3_free(bytes.data);
  sqlite3_free(path);
  return rc;
}

/* Texts are embedded from tokens; a model that decodes is content with ids. */
static int needs_tokenizer(const reader *r) {
  return strcmp(r->modules, "[]") != 0;
}

/* Each member of the document and the file that it comes from. */
static int read_document(reader *r) {
  enum {
    TRANSFORMER,
    SENTENCE,
    PROMPTS,
    TOKENIZER_CONFIG,
    SPECIAL,
    TOKENIZER,
    MODULES,
    GENERATION,
    N
  };
  char *part[N] = {NULL};
  int rc = read_json(r, r->transformer, "config.json", "object", 1, &part[TRANSFORMER]);
  if (rc == SQLITE_OK) rc = read_sentence_config(r, &part[SENTENCE]);
  if (rc == SQLITE_OK) {
    rc = read_json(r, r->path, "config_sentence_transformers.json", "object", 0,
                   &part[PROMPTS]);
  }
  if (rc == SQLITE_OK) {
    rc = read_json(r, r->transformer, "tokenizer_config.json", "object", 0,
                   &part[TOKENIZER_CONFIG]);
  }
  if (rc == SQLITE_OK) {
    rc = read_json(r, r->transformer, "special_tokens_map.json", "object", 0,
                   &part[SPECIAL]);
  }
  if (rc == SQLITE_OK) {
    rc = read_json(r, r->transformer, "tokenizer.json", "object", 0, &part[TOKENIZER]);
  }
  if (rc == SQLITE_OK) {
    rc = read_json(r, r->transformer, "generation_config.json", "object", 0,
                   &part[GENERATION]);
  }
  if (rc == SQLITE_OK && (part[TOKENIZER] || needs_tokenizer(r))) {
    attns_vocab_request request = {r->db, r->transformer, part[TRANSFORMER],
                                   part[TOKENIZER_CONFIG], part[SENTENCE]};
    rc = attns_vocab_read(&request, &part[TOKENIZER], r->error, &r->folder->parts);
  }
  if (rc == SQLITE_OK) {
    part[MODULES] = r->modules;
    r->modules = NULL;
    rc = evaluate(r,
                  "WITH d(j) AS (SELECT json_object("
                  " 'transformer', json(?1), 'sentence', json(?2),"
                  " 'sentence_transformers', json(?3), 'tokenizer_config', json(?4),"
                  " 'special_tokens_map', json(?5), 'tokenizer', json(?6),"
                  " 'modules', json(?7)))"
                  " SELECT CASE WHEN ?8 IS NULL THEN j"
                  "  ELSE json_insert(j, '$.generation', json(?8)) END FROM d",
                  (const char *const *)part, N, &r->folder->config);
  }
  for (int i = 0; i < N; i++) sqlite3_free(part[i]);
  return rc;
}

int attns_folder_read(sqlite3 *db, const char *path, char **error, attns_folder *out) {
  reader r = {.db = db, .error = error, .path = path, .folder = out};
  char *json = NULL;
  memset(out, 0, sizeof *out);
  if (!attns_file_is(path, 'd')) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "%s: no such folder; expected a sentence-transformers folder",
                          path);
  }
  r.modules = text_of("[]");
  int rc =
      r.modules ? read_json(&r, path, "modules.json", "array", 0, &json) : SQLITE_NOMEM;
  if (rc == SQLITE_OK) rc = json ? read_modules(&r, json) : default_modules(&r);
  if (rc == SQLITE_OK) rc = read_document(&r);
  if (rc == SQLITE_OK) rc = read_license(&r);
  sqlite3_free(json);
  sqlite3_free(r.modules);
  sqlite3_free(r.transformer);
  return rc;
}

void attns_folder_free(attns_folder *folder) {
  sqlite3_free(folder->config);
  sqlite3_free(folder->license);
  attns_parts_free(&folder->parts);
  for (int i = 0; i < folder->n_file; i++) {
    sqlite3_free(folder->file[i].path);
    sqlite3_free(folder->file[i].prefix);
  }
  sqlite3_free(folder->file);
  for (size_t i = 0; i < folder->n_tensor; i++) {
    sqlite3_free((void *)(uintptr_t)folder->tensor[i].name);
  }
  sqlite3_free(folder->tensor);
  memset(folder, 0, sizeof *folder);
}
