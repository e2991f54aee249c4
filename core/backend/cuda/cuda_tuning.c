/* The table of choices, its text and its cache file. */
#include "core/backend/cuda/cuda_tuning.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 4 << 20, LINE_MAX_BYTES = 1024 };
static const char title[] = "futago convolution choices 1";

typedef struct entry {
    char key[FUT_CUDA_KEY];
    fut_cuda_choice choice;
} entry;

struct fut_cuda_tuning {
    entry *entries; /* in the order they came */
    size_t count, capacity;
    fut_str cache_path; /* empty: no cache */
    bool unsaved;
};

/* ---- the table ---- */

bool fut_cuda_choice_equal(const fut_cuda_choice *a, const fut_cuda_choice *b)
{
    if (a->engine != b->engine || a->knobs != b->knobs || a->padded != b->padded) return false;
    for (int i = 0; i < a->knobs; i++)
        if (a->knob[i].type != b->knob[i].type || a->knob[i].value != b->knob[i].value) return false;
    return true;
}

static entry *find(const fut_cuda_tuning *tuning, const char *key)
{
    for (size_t i = 0; i < tuning->count; i++)
        if (strcmp(tuning->entries[i].key, key) == 0) return &tuning->entries[i];
    return NULL;
}

const fut_cuda_choice *fut_cuda_tuning_find(const fut_cuda_tuning *tuning, const char *key)
{
    const entry *found = find(tuning, key);
    return found ? &found->choice : NULL;
}

static fut_status put(fut_cuda_tuning *tuning, const char *key, const fut_cuda_choice *choice)
{
    entry *at = find(tuning, key);
    if (!at) {
        if (tuning->count == tuning->capacity) {
            size_t capacity = tuning->capacity ? 2 * tuning->capacity : 64;
            FUT_TRY(fut_mem_grow((void **)&tuning->entries, tuning->capacity, capacity, sizeof *tuning->entries));
            tuning->capacity = capacity;
        }
        at = &tuning->entries[tuning->count++];
        (void)snprintf(at->key, sizeof at->key, "%s", key);
    }
    at->choice = *choice;
    return FUT_OK;
}

fut_status fut_cuda_tuning_put(fut_cuda_tuning *tuning, const char *key, const fut_cuda_choice *choice)
{
    tuning->unsaved = true;
    return put(tuning, key, choice);
}

/* ---- writing ---- */

static fut_status print_entry(const entry *e, fut_str *text)
{
    const fut_cuda_choice *choice = &e->choice;
    FUT_TRY(fut_str_printf(text, "%s = engine %" PRId64, e->key, choice->engine));
    for (int i = 0; i < choice->knobs; i++)
        FUT_TRY(fut_str_printf(text, "%s%" PRId64 ":%" PRId64, i == 0 ? " knobs " : ",", choice->knob[i].type, choice->knob[i].value));
    return fut_str_printf(text, "%s\n", choice->padded ? " padded" : "");
}

/* Appends nothing where nothing was chosen. */
static fut_status print(const fut_cuda *cuda, fut_str *text)
{
    const fut_cuda_tuning *tuning = cuda->tuning;
    if (tuning->count == 0) return FUT_OK;
    size_t start = text->length;
    FUT_TRY(fut_str_printf(text, "%s\ngpu %s\ndriver %d\ncudnn %d\n", title, cuda->name, cuda->driver_version, cuda->cudnn_version));
    for (size_t i = 0; i < tuning->count; i++)
        FUT_TRY(print_entry(&tuning->entries[i], text));
    uint64_t checksum = fut_hash_xxh3(text->data + start, text->length - start);
    return fut_str_printf(text, "checksum %016" PRIx64 "\n", checksum);
}

/* ---- reading ---- */

/* "2:3,14:1" */
static bool read_knobs(char *list, fut_cuda_choice *choice)
{
    char *rest = NULL;
    for (char *item = strtok_r(list, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
        char *colon = strchr(item, ':');
        if (!colon || choice->knobs == FUT_CUDA_KNOBS) return false;
        *colon = '\0';
        fut_cuda_knob *knob = &choice->knob[choice->knobs++];
        if (!fut_str_to_i64(item, &knob->type) || !fut_str_to_i64(colon + 1, &knob->value)) return false;
    }
    return choice->knobs > 0;
}

/* The words after " = "; they are cut apart in place. */
static bool read_choice(char *words, fut_cuda_choice *choice_out)
{
    fut_cuda_choice choice = {.engine = -1};
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strcmp(word, "padded") == 0 ? word : strtok_r(NULL, " ", &rest);
        if (!value) return false;
        if (strcmp(word, "engine") == 0 && choice.engine < 0) {
            if (!fut_str_to_i64(value, &choice.engine)) return false;
        } else if (strcmp(word, "knobs") == 0 && choice.knobs == 0) {
            if (!read_knobs(value, &choice)) return false;
        } else if (strcmp(word, "padded") == 0) {
            choice.padded = true;
        } else {
            return false;
        }
    }
    *choice_out = choice;
    return choice.engine >= 0;
}

/* A text being read. */
typedef struct reader {
    const char *source, *text, *at;
    int number; /* of the line read last */
    char line[LINE_MAX_BYTES];
} reader;

static fut_status next_line(reader *r)
{
    const char *end = strchr(r->at, '\n');
    r->number++;
    FUT_CHECK(end, FUT_ERR_CONFIG, "%s line %d: the choices of convolution algorithms end too early", r->source, r->number);
    size_t length = (size_t)(end - r->at);
    FUT_CHECK(length < sizeof r->line, FUT_ERR_CONFIG, "%s line %d: %zu bytes are too long for a choice of a convolution algorithm",
              r->source, r->number, length);
    memcpy(r->line, r->at, length);
    r->line[length] = '\0';
    r->at = end + 1;
    return FUT_OK;
}

/* A line "name value" where value must be this device's. */
static fut_status read_same(reader *r, const char *name, const char *want)
{
    FUT_TRY(next_line(r));
    size_t length = strlen(name);
    FUT_CHECK(strncmp(r->line, name, length) == 0 && r->line[length] == ' ', FUT_ERR_CONFIG, "%s line %d: '%s', expected '%s %s'",
              r->source, r->number, r->line, name, want);
    const char *got = r->line + length + 1;
    FUT_CHECK(strcmp(got, want) == 0, FUT_ERR_CONFIG,
              "%s: these convolution algorithms were chosen for %s '%s' and do not fit %s '%s' here; without them new ones are chosen",
              r->source, name, got, name, want);
    return FUT_OK;
}

static fut_status read_header(const fut_cuda *cuda, reader *r)
{
    char driver[16], cudnn[16];
    (void)snprintf(driver, sizeof driver, "%d", cuda->driver_version);
    (void)snprintf(cudnn, sizeof cudnn, "%d", cuda->cudnn_version);
    FUT_TRY(next_line(r));
    FUT_CHECK(strcmp(r->line, title) == 0, FUT_ERR_CONFIG, "%s: '%s' are no choices of convolution algorithms: these begin with '%s'",
              r->source, r->line, title);
    FUT_TRY(read_same(r, "gpu", cuda->name));
    FUT_TRY(read_same(r, "driver", driver));
    return read_same(r, "cudnn", cudnn);
}

static fut_status read_entry(reader *r, fut_cuda_tuning *into)
{
    fut_cuda_choice choice;
    char shown[LINE_MAX_BYTES];
    (void)snprintf(shown, sizeof shown, "%s", r->line);
    char *equal = strstr(r->line, " = ");
    bool good = equal && equal > r->line && equal - r->line < FUT_CUDA_KEY;
    if (good) {
        *equal = '\0';
        good = read_choice(equal + 3, &choice);
    }
    FUT_CHECK(good, FUT_ERR_CONFIG, "%s line %d: '%s' is not 'shape = engine N [knobs type:value,...]'", r->source, r->number, shown);
    return put(into, r->line, &choice);
}

/* Add what `text` says to the table; nothing of it where it is damaged or of another device. */
static fut_status read_text(const fut_cuda *cuda, const char *source, const char *text)
{
    fut_status st = FUT_OK;
    reader r = {.source = source, .text = text, .at = text};
    fut_cuda_tuning read = {0};
    FUT_TRY_GOTO(read_header(cuda, &r), out);
    for (;;) {
        size_t covered = (size_t)(r.at - r.text);
        FUT_TRY_GOTO(next_line(&r), out);
        if (strncmp(r.line, "checksum ", 9) == 0) {
            char want[17];
            (void)snprintf(want, sizeof want, "%016" PRIx64, fut_hash_xxh3(text, covered));
            FUT_CHECK_GOTO(strcmp(r.line + 9, want) == 0 && *r.at == '\0', FUT_ERR_CONFIG, out,
                           "%s: the choices of convolution algorithms are damaged: checksum %s, the text has %s", source, r.line + 9, want);
            break;
        }
        FUT_TRY_GOTO(read_entry(&r, &read), out);
    }
    for (size_t i = 0; i < read.count; i++)
        FUT_TRY_GOTO(put(cuda->tuning, read.entries[i].key, &read.entries[i].choice), out);
out:
    fut_mem_free(read.entries);
    return st;
}

/* ---- the cache ---- */

static fut_status name_cache(const fut_cuda *cuda, fut_str *path)
{
    FUT_TRY(fut_str_printf(path, "%s/cuda-", cuda->cache_folder));
    for (const char *c = cuda->name; *c; c++)
        FUT_TRY(fut_str_append(path, isalnum((unsigned char)*c) ? c : "-", 1));
    return fut_str_printf(path, "-driver%d-cudnn%d.txt", cuda->driver_version, cuda->cudnn_version);
}

/* A cache that cannot be used costs time, not the run. */
static void warn_cache(const char *doing)
{
    FUT_WARN("cannot %s the cache of convolution algorithms: %s", doing, fut_trail_message());
    fut_trail_clear();
}

static fut_status read_cache(fut_cuda *cuda)
{
    fut_str text = {0};
    const char *path = fut_str_text(&cuda->tuning->cache_path);
    if (!fut_file_exists(path)) return FUT_OK;
    fut_status st = fut_file_read(path, TEXT_MAX, &text);
    if (st == FUT_OK) st = read_text(cuda, path, fut_str_text(&text));
    if (st == FUT_OK)
        FUT_DEBUG("%zu convolution algorithms from %s", cuda->tuning->count, path);
    else if (st != FUT_ERR_NO_MEMORY) {
        warn_cache("use");
        st = FUT_OK;
    }
    fut_str_fini(&text);
    return st;
}

static fut_status write_cache(const fut_cuda *cuda)
{
    fut_status st = FUT_OK;
    fut_str text = {0};
    FUT_TRY_GOTO(print(cuda, &text), out);
    FUT_TRY_GOTO(fut_file_make_dirs(cuda->cache_folder), out);
    FUT_TRY_GOTO(fut_file_write(fut_str_text(&cuda->tuning->cache_path), text.data, text.length), out);
out:
    fut_str_fini(&text);
    return st;
}

static void save(fut_cuda_tuning *tuning, const fut_cuda *cuda)
{
    if (!tuning->unsaved || tuning->cache_path.length == 0) return;
    if (write_cache(cuda) != FUT_OK) warn_cache("write");
    tuning->unsaved = false;
}

/* ---- the backend's side ---- */

fut_status fut_cuda_tuning_create(fut_cuda *cuda)
{
    FUT_TRY(FUT_NEW(&cuda->tuning));
    if (!cuda->cache_folder) return FUT_OK;
    FUT_TRY(name_cache(cuda, &cuda->tuning->cache_path));
    return read_cache(cuda);
}

void fut_cuda_tuning_destroy(fut_cuda *cuda)
{
    if (!cuda->tuning) return;
    if (!*fut_trail_message()) save(cuda->tuning, cuda); /* an error on its way out must not be talked over */
    fut_mem_free(cuda->tuning->entries);
    fut_str_fini(&cuda->tuning->cache_path);
    fut_mem_free(cuda->tuning);
    cuda->tuning = NULL;
}

/* Asked when a network has been planned: the moment to keep what was measured. */
fut_status fut_cuda_tuning_get(fut_backend *bk, fut_str *text)
{
    const fut_cuda *cuda = fut_cuda_of(bk);
    save(cuda->tuning, cuda);
    return print(cuda, text);
}

fut_status fut_cuda_tuning_set(fut_backend *bk, const char *text)
{
    return *text ? read_text(fut_cuda_of(bk), "convolution algorithms", text) : FUT_OK;
}
