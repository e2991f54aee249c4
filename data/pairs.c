#include "data/pairs.h"

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#include <stdio.h>
#include <string.h>

enum { FILE_BYTES_MAX = 64 << 20, FOLDS_MAX = 1000, PAIRS_MAX = 10000000, PHOTO_MAX = 9999, NAME_MAX_BYTES = 255, FIELDS_MAX = 4 };

/* A line cut at its tabs. */
typedef struct line {
    const char *field[FIELDS_MAX];
    size_t length[FIELDS_MAX];
    int n; /* FIELDS_MAX + 1 when there are more */
} line;

typedef struct reader {
    const char *path;
    const char *at, *end;
    int number; /* of the line last read */
} reader;

/* The next line that is not blank; false at the end. */
static bool next_line(reader *r, line *out)
{
    while (r->at < r->end) {
        const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
        const char *stop = newline != NULL ? newline : r->end;
        const char *from = r->at;
        r->at = newline != NULL ? newline + 1 : r->end;
        r->number++;
        if (stop > from && stop[-1] == '\r') stop--;
        if (stop == from) continue;
        out->n = 0;
        while (out->n < FIELDS_MAX) {
            const char *tab = memchr(from, '\t', (size_t)(stop - from));
            out->field[out->n] = from;
            out->length[out->n++] = (size_t)((tab != NULL ? tab : stop) - from);
            if (tab == NULL) return true;
            from = tab + 1;
        }
        out->n = FIELDS_MAX + 1;
        return true;
    }
    return false;
}

static bool read_number(const line *l, int field, int64_t max, int64_t *value_out)
{
    char text[24];
    if (l->length[field] == 0 || l->length[field] >= sizeof text) return false;
    memcpy(text, l->field[field], l->length[field]);
    text[l->length[field]] = '\0';
    return fut_str_to_i64(text, value_out) && *value_out >= 1 && *value_out <= max;
}

/* "Name/Name_0007.jpg". A name is one folder: a slash or ".." in it would lead elsewhere. */
static fut_status append_path(const reader *r, const line *l, int name, int photo, fut_str *text)
{
    int64_t number = 0;
    const char *bytes = l->field[name];
    int length = (int)l->length[name];
    FUT_CHECK(length > 0 && length <= NAME_MAX_BYTES && memchr(bytes, '/', (size_t)length) == NULL &&
                  memchr(bytes, '\0', (size_t)length) == NULL && bytes[0] != '.',
              FUT_ERR_DATA, "%s:%d: field %d is not the name of a person's folder", r->path, r->number, name + 1);
    FUT_CHECK(read_number(l, photo, PHOTO_MAX, &number), FUT_ERR_DATA, "%s:%d: field %d is not the number of a photo, 1 to %d", r->path,
              r->number, photo + 1, PHOTO_MAX);
    FUT_TRY(fut_str_printf(text, "%.*s/%.*s_%04d.jpg", length, bytes, length, bytes, (int)number));
    return fut_str_append(text, "", 1);
}

static fut_status read_header(reader *r, fut_pairs *pairs)
{
    line l;
    int64_t folds = 1;
    bool good = next_line(r, &l) && (l.n == 1 || l.n == 2);
    if (good && l.n == 2) good = read_number(&l, 0, FOLDS_MAX, &folds);
    good = good && read_number(&l, l.n - 1, PAIRS_MAX, &pairs->per_fold) && pairs->per_fold * folds <= PAIRS_MAX;
    FUT_CHECK(good, FUT_ERR_DATA, "%s:%d: the first line must be the number of pairs, or folds, a tab and pairs a fold", r->path,
              r->number > 0 ? r->number : 1);
    pairs->n_folds = (int)folds;
    pairs->n = 2 * folds * pairs->per_fold;
    return FUT_OK;
}

/* One pair's line: 3 fields for the same person, 4 for two people; which it must be follows from its place. */
static fut_status read_pair(reader *r, bool same, fut_str *text)
{
    line l;
    FUT_CHECK(next_line(r, &l), FUT_ERR_DATA, "%s: the list ends after line %d, too early for the counts in its first line", r->path,
              r->number);
    FUT_CHECK(l.n == (same ? 3 : 4), FUT_ERR_DATA, "%s:%d: %d fields, expected %s", r->path, r->number, l.n,
              same ? "3 for a pair of the same person" : "4 for a pair of different people");
    FUT_TRY(append_path(r, &l, 0, 1, text));
    return append_path(r, &l, same ? 0 : 2, same ? 2 : 3, text);
}

fut_status fut_pairs_read(const char *path, fut_pairs *pairs_out)
{
    fut_status st = FUT_OK;
    fut_str file = {0};
    fut_str text = {0};
    fut_pairs pairs = {0};
    line extra;
    FUT_TRY_GOTO(fut_file_read(path, FILE_BYTES_MAX, &file), out);
    reader r = {.path = path, .at = fut_str_text(&file), .end = fut_str_text(&file) + file.length};
    FUT_TRY_GOTO(read_header(&r, &pairs), out);
    /* The shortest line has 6 bytes: the counts cannot make us allocate more than the file is worth. */
    FUT_CHECK_GOTO(pairs.n <= (int64_t)file.length / 6, FUT_ERR_DATA, out, "%s:1: %lld pairs are stated, %zu bytes cannot hold them", path,
                   (long long)pairs.n, file.length);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(pairs.n, &pairs.pair), out);
    for (int64_t i = 0; i < pairs.n; i++) {
        pairs.pair[i].fold = (int)(i / (2 * pairs.per_fold));
        pairs.pair[i].same = i / pairs.per_fold % 2 == 0;
        FUT_TRY_GOTO(read_pair(&r, pairs.pair[i].same, &text), out);
    }
    FUT_CHECK_GOTO(!next_line(&r, &extra), FUT_ERR_DATA, out, "%s:%d: more lines than the %lld pairs that the first line states", path,
                   r.number, (long long)pairs.n);
    /* The text no longer grows, so its pieces can be pointed at. */
    pairs.text = text.data;
    text = (fut_str){0};
    const char *at = pairs.text;
    for (int64_t i = 0; i < pairs.n; i++) {
        pairs.pair[i].a = at;
        at += strlen(at) + 1;
        pairs.pair[i].b = at;
        at += strlen(at) + 1;
    }
    *pairs_out = pairs;
    pairs = (fut_pairs){0};
out:
    fut_str_fini(&file);
    fut_str_fini(&text);
    fut_pairs_fini(&pairs);
    return st;
}

void fut_pairs_fini(fut_pairs *pairs)
{
    fut_mem_free(pairs->pair);
    fut_mem_free(pairs->text);
    *pairs = (fut_pairs){0};
}
