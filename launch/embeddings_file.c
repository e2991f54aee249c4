#include "launch/embeddings_file.h"

#include "core/base/mem.h"
#include "data/h5.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 1, NPY_ALIGN = 64 };

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static fut_status begin(const char *path, bool force, fut_file_atomic *file_out)
{
    FUT_CHECK(force || !fut_file_exists(path), FUT_ERR_CANT_CREATE, "%s: the file exists; --force replaces it", path);
    return fut_file_begin(path, file_out);
}

fut_status fut_embeddings_begin(const char *path, bool force, fut_embeddings_file *file_out)
{
    fut_status st = FUT_OK;
    fut_str names = {0};
    fut_embeddings_file file = {.format = ends_with(path, ".npy") ? FUT_EMBEDDINGS_NPY : FUT_EMBEDDINGS_H5};
    FUT_CHECK(file.format == FUT_EMBEDDINGS_NPY || ends_with(path, ".h5"), FUT_ERR_USAGE, "--output is \"%s\", must end in .h5 or .npy",
              path);
    FUT_TRY_GOTO(begin(path, force, &file.main), out);
    if (file.format == FUT_EMBEDDINGS_NPY) {
        FUT_TRY_GOTO(fut_str_append(&names, path, strlen(path) - strlen(".npy")), out);
        FUT_TRY_GOTO(fut_str_append(&names, ".txt", 4), out);
        FUT_TRY_GOTO(begin(fut_str_text(&names), force, &file.names), out);
    }
    *file_out = file;
    file = (fut_embeddings_file){0};
out:
    fut_str_fini(&names);
    fut_embeddings_abandon(&file);
    return st;
}

void fut_embeddings_abandon(fut_embeddings_file *file)
{
    fut_file_abandon(&file->main);
    fut_file_abandon(&file->names);
}

/* ---- HDF5 ---------------------------------------------------------------------------------------------------------------------- */

static fut_status write_texts(fut_h5 *h5, const char *group, const fut_texts *texts)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s/bytes", group);
    FUT_TRY(fut_h5_write(h5, name, FUT_H5_U8, 1, (int64_t[]){(int64_t)texts->bytes.length}, texts->bytes.data));
    (void)snprintf(name, sizeof name, "%s/offset", group);
    return fut_h5_write(h5, name, FUT_H5_U64, 1, (int64_t[]){texts->n + 1}, texts->offset);
}

static fut_status write_labels(fut_h5 *h5, const fut_gallery *g)
{
    fut_status st = FUT_OK;
    int64_t *label = NULL;
    uint64_t *first = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(g->photo.n, &label), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(g->person.n + 1, &first), out);
    for (int64_t c = 0; c <= g->person.n; c++)
        first[c] = (uint64_t)g->first[c];
    for (int64_t c = 0; c < g->person.n; c++)
        for (int64_t i = g->first[c]; i < g->first[c + 1]; i++)
            label[i] = c;
    FUT_TRY_GOTO(fut_h5_write(h5, "/labels", FUT_H5_I64, 1, &g->photo.n, label), out);
    FUT_TRY_GOTO(fut_h5_write(h5, "/identities/first", FUT_H5_U64, 1, (int64_t[]){g->person.n + 1}, first), out);
out:
    fut_mem_free(label);
    fut_mem_free(first);
    return st;
}

static fut_status write_h5(const char *path, const fut_gallery *g, const fut_embeddings_origin *origin)
{
    fut_status st = FUT_OK;
    fut_h5 *h5 = NULL;
    FUT_TRY_GOTO(fut_h5_create(path, &h5), out);
    FUT_TRY_GOTO(fut_h5_set_text(h5, "/", "format", "futago-embeddings"), out);
    FUT_TRY_GOTO(fut_h5_set_i64(h5, "/", "version", VERSION), out);
    FUT_TRY_GOTO(fut_h5_set_text(h5, "/", "model", origin->model), out);
    FUT_TRY_GOTO(fut_h5_set_text(h5, "/", "checkpoint", origin->checkpoint), out);
    FUT_TRY_GOTO(fut_h5_set_i64(h5, "/", "step", origin->step), out);
    FUT_TRY_GOTO(fut_h5_set_text(h5, "/", "input", origin->input), out);
    FUT_TRY_GOTO(fut_h5_write(h5, "/embeddings", FUT_H5_F32, 2, (int64_t[]){g->photo.n, g->dim}, g->embedding), out);
    FUT_TRY_GOTO(write_labels(h5, g), out);
    FUT_TRY_GOTO(write_texts(h5, "/images/source", &g->photo), out);
    FUT_TRY_GOTO(write_texts(h5, "/identities/name", &g->person), out);
    st = fut_h5_finish(&h5);
out:
    fut_h5_close(&h5);
    return st;
}

/* ---- NumPy --------------------------------------------------------------------------------------------------------------------- */

/* Magic, version 1.0, length of the text, the text filled up with blanks to a multiple of 64 bytes, a newline at its end. */
static fut_status npy_header(int64_t rows, int64_t columns, fut_str *out)
{
    fut_str text = {0};
    fut_status st =
        fut_str_printf(&text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }", (long long)rows, (long long)columns);
    size_t before = 10;
    size_t total = (before + text.length + 1 + NPY_ALIGN - 1) / NPY_ALIGN * NPY_ALIGN;
    unsigned length = (unsigned)(total - before);
    const char magic[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(length & 0xff), (char)(length >> 8)};
    if (st == FUT_OK) st = fut_str_append(out, magic, sizeof magic);
    if (st == FUT_OK) st = fut_str_printf(out, "%-*s\n", (int)length - 1, fut_str_text(&text));
    fut_str_fini(&text);
    return st;
}

typedef struct byte_range {
    const void *data;
    size_t length;
} byte_range;

static fut_status write_bytes(const fut_file_atomic *file, byte_range head, byte_range rest)
{
    FILE *out = fopen(file->temporary, "wb");
    bool is_written =
        out != NULL && fwrite(head.data, 1, head.length, out) == head.length && fwrite(rest.data, 1, rest.length, out) == rest.length;
    int error = errno;
    if (out != NULL && fclose(out) != 0 && is_written) {
        is_written = false;
        error = errno;
    }
    return is_written ? FUT_OK : fut_file_errno("write", file->path, error);
}

static fut_status write_npy(const fut_file_atomic *file, const fut_gallery *g)
{
    fut_str header = {0};
    byte_range values = {g->embedding, (size_t)(g->photo.n * g->dim) * sizeof *g->embedding};
    fut_status st = npy_header(g->photo.n, g->dim, &header);
    if (st == FUT_OK) st = write_bytes(file, (byte_range){header.data, header.length}, values);
    fut_str_fini(&header);
    return st;
}

static fut_status write_lines(const fut_file_atomic *file, const fut_gallery *g)
{
    fut_status st = FUT_OK;
    fut_str lines = {0};
    size_t length = 0;
    for (int64_t c = 0; c < g->person.n; c++) {
        for (int64_t i = g->first[c]; i < g->first[c + 1]; i++) {
            const char *person = fut_texts_get(&g->person, c, &length);
            FUT_TRY_GOTO(fut_str_append_escaped(&lines, person, length), out);
            FUT_TRY_GOTO(fut_str_append(&lines, "\t", 1), out);
            const char *photo = fut_texts_get(&g->photo, i, &length);
            FUT_TRY_GOTO(fut_str_append_escaped(&lines, photo, length), out);
            FUT_TRY_GOTO(fut_str_append(&lines, "\n", 1), out);
        }
    }
    st = write_bytes(file, (byte_range){lines.data, lines.length}, (byte_range){"", 0});
out:
    fut_str_fini(&lines);
    return st;
}

fut_status fut_embeddings_commit(fut_embeddings_file *file, const fut_gallery *gallery, const fut_embeddings_origin *origin)
{
    if (file->format == FUT_EMBEDDINGS_H5) {
        FUT_TRY(write_h5(file->main.temporary, gallery, origin));
        return fut_file_commit(&file->main);
    }
    FUT_TRY(write_npy(&file->main, gallery));
    FUT_TRY(write_lines(&file->names, gallery));
    FUT_TRY(fut_file_commit(&file->names));
    return fut_file_commit(&file->main);
}
