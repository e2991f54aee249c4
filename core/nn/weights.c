#include "core/nn/weights.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/nn/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char tracked_leaf[] = "num_batches_tracked", variance_leaf[] = "running_var", mean_leaf[] = "running_mean";
enum { NAME_MAX_BYTES = 256, NAMED_AT_MOST = 4 };

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* If `name` is "<layer>.<leaf>", write "<layer>.<other>". */
static bool rename_leaf(const char *name, const char *leaf, const char *other, char name_out[NAME_MAX_BYTES])
{
    size_t length = strlen(name), leaf_length = strlen(leaf);
    if (length <= leaf_length || strcmp(name + length - leaf_length, leaf) != 0) return false;
    int written = snprintf(name_out, NAME_MAX_BYTES, "%.*s%s", (int)(length - leaf_length), name, other);
    return written > 0 && written < NAME_MAX_BYTES;
}

/* ---- does the file fit the net? ------------------------------------------------------------------------------------------------- */

/* Names of one kind of misfit: the first few, and how many. */
typedef struct misfits {
    fut_str names;
    int64_t count;
} misfits;

static fut_status misfit(misfits *m, const char *what)
{
    m->count++;
    if (m->count > NAMED_AT_MOST) return FUT_OK;
    return fut_str_printf(&m->names, "%s%s", m->count > 1 ? ", " : "", what);
}

/* "; 25 of another shape (a, b, c, d and more)", or nothing. */
static fut_status append_misfits(fut_str *text, const misfits *m, const char *what)
{
    if (m->count == 0) return FUT_OK;
    return fut_str_printf(text, "%s%lld %s (%s%s)", text->length > 0 ? "; " : "", (long long)m->count, what, fut_str_text(&m->names),
                          m->count > NAMED_AT_MOST ? " and more" : "");
}

static fut_status append_shape(fut_str *s, int rank, const int64_t *dim)
{
    FUT_TRY(fut_str_append(s, "[", 1));
    for (int i = 0; i < rank; i++)
        FUT_TRY(fut_str_printf(s, "%s%lld", i > 0 ? ", " : "", (long long)dim[i]));
    return fut_str_append(s, "]", 1);
}

static fut_status check_shape(const fut_net_tensor *tensor, const fut_safetensors_entry *entry, misfits *shapes)
{
    fut_status st = FUT_OK;
    fut_str text = {0};
    bool same = entry->rank == tensor->rank && entry->dtype != FUT_I64;
    for (int i = 0; same && i < tensor->rank; i++)
        same = entry->dim[i] == tensor->dim[i];
    if (same) return FUT_OK;
    FUT_TRY_GOTO(fut_str_printf(&text, "%s is %s ", tensor->name, fut_dtype_name(entry->dtype)), out);
    FUT_TRY_GOTO(append_shape(&text, entry->rank, entry->dim), out);
    FUT_TRY_GOTO(fut_str_printf(&text, ", the network's "), out);
    FUT_TRY_GOTO(append_shape(&text, tensor->rank, tensor->dim), out);
    FUT_TRY_GOTO(misfit(shapes, fut_str_text(&text)), out);
out:
    fut_str_fini(&text);
    return st;
}

/* The embedding layer is there or not, as a whole. */
static bool has_embedder(const fut_safetensors *file)
{
    return fut_safetensors_find(file, "embedder.weight") || fut_safetensors_find(file, "embedder.bias");
}

static bool net_has(const fut_net *net, const char *name)
{
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++)
        if (strcmp(fut_net_tensor_at(net, i)->name, name) == 0) return true;
    return false;
}

/* What a file may hold beside the network: the classifier it was trained with, by timm's names for it. */
static bool is_classifier(const fut_net *net, const char *name)
{
    return !net_has(net, name) && (starts_with(name, "classifier.") || starts_with(name, "fc."));
}

static bool is_tracked_counter(const fut_net *net, const fut_safetensors_entry *entry)
{
    char mean[NAME_MAX_BYTES];
    return rename_leaf(entry->name, tracked_leaf, mean_leaf, mean) && entry->count == 1 && net_has(net, mean);
}

static fut_status check_fit(const fut_net *net, const fut_safetensors *file)
{
    fut_status st = FUT_OK;
    misfits missing = {0}, unexpected = {0}, shapes = {0};
    fut_str text = {0};
    bool embedder = has_embedder(file);
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, i);
        const fut_safetensors_entry *entry = fut_safetensors_find(file, tensor->name);
        if (entry)
            FUT_TRY_GOTO(check_shape(tensor, entry, &shapes), out);
        else if (embedder || !starts_with(tensor->name, "embedder")) /* and its batch norm, embedder_norm */
            FUT_TRY_GOTO(misfit(&missing, tensor->name), out);
    }
    for (int i = 0; i < file->count; i++) {
        const fut_safetensors_entry *entry = &file->entries[i];
        if (net_has(net, entry->name) || is_classifier(net, entry->name) || is_tracked_counter(net, entry)) continue;
        FUT_TRY_GOTO(misfit(&unexpected, entry->name), out);
    }
    FUT_TRY_GOTO(append_misfits(&text, &missing, "tensors missing"), out);
    FUT_TRY_GOTO(append_misfits(&text, &unexpected, "unexpected"), out);
    FUT_TRY_GOTO(append_misfits(&text, &shapes, "of another shape or dtype"), out);
    FUT_CHECK_GOTO(text.length == 0, FUT_ERR_DATA, out, "%s does not hold %s with embedding %lld: %s", file->path,
                   fut_net_get_spec(net)->backbone, (long long)fut_net_get_spec(net)->embedding, fut_str_text(&text));
out:
    fut_str_fini(&text);
    fut_str_fini(&missing.names);
    fut_str_fini(&unexpected.names);
    fut_str_fini(&shapes.names);
    return st;
}

/* ---- host copies of the packs --------------------------------------------------------------------------------------------------- */

typedef struct host_packs {
    void *params, *stats;
    size_t param_bytes, stat_bytes;
} host_packs;

static void host_packs_fini(host_packs *host)
{
    fut_mem_free(host->params);
    fut_mem_free(host->stats);
}

static fut_status host_packs_download(fut_net *net, host_packs *host)
{
    fut_backend *bk = fut_net_backend(net);
    size_t real = fut_dtype_size(fut_net_get_spec(net)->real);
    host->param_bytes = (size_t)fut_net_param_count(net) * real;
    host->stat_bytes = (size_t)fut_net_stat_count(net) * real;
    FUT_TRY(fut_mem_alloc(host->param_bytes, 1, &host->params));
    FUT_TRY(fut_mem_alloc(host->stat_bytes, 1, &host->stats));
    FUT_TRY(bk->download(bk, host->params, fut_net_params(net), host->param_bytes, NULL));
    FUT_TRY(bk->download(bk, host->stats, fut_net_stats(net), host->stat_bytes, NULL));
    return bk->sync(bk, NULL);
}

static fut_status host_packs_upload(const host_packs *host, fut_net *net)
{
    fut_backend *bk = fut_net_backend(net);
    FUT_TRY(bk->upload(bk, fut_net_params(net), host->params, host->param_bytes, NULL));
    FUT_TRY(bk->upload(bk, fut_net_stats(net), host->stats, host->stat_bytes, NULL));
    FUT_TRY(bk->sync(bk, NULL));
    fut_net_params_changed(net);
    return FUT_OK;
}

static void *host_tensor(const host_packs *host, const fut_net_tensor *tensor, fut_dtype real)
{
    return (char *)(tensor->trainable ? host->params : host->stats) + (size_t)tensor->offset * fut_dtype_size(real);
}

/* ---- load ----------------------------------------------------------------------------------------------------------------------- */

static fut_status load_tensor(const fut_safetensors *file, const fut_safetensors_entry *entry, fut_dtype real, void *out)
{
    fut_status st = FUT_OK;
    double *values = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(entry->count, &values), out);
    FUT_TRY_GOTO(fut_safetensors_read(file, entry, values), out);
    for (int64_t i = 0; i < entry->count; i++) {
        FUT_CHECK_GOTO(isfinite(values[i]), FUT_ERR_DATA, out, "%s: value %lld of tensor %s is %g, expected finite numbers", file->path,
                       (long long)i, entry->name, values[i]);
        if (real == FUT_F64)
            ((double *)out)[i] = values[i];
        else
            ((float *)out)[i] = (float)values[i];
    }
out:
    fut_mem_free(values);
    return st;
}

/* Batch norms count their steps together: the first counter of the file speaks for all. */
static fut_status load_steps(const fut_net *net, const fut_safetensors *file, int64_t *steps_out)
{
    for (int i = 0; i < file->count; i++) {
        if (!is_tracked_counter(net, &file->entries[i])) continue;
        double steps = 0;
        FUT_TRY(fut_safetensors_read(file, &file->entries[i], &steps));
        *steps_out = (int64_t)steps;
        break;
    }
    return FUT_OK;
}

static void notices(const fut_net *net, const fut_safetensors *file)
{
    int classifier = 0;
    for (int i = 0; i < file->count; i++)
        classifier += is_classifier(net, file->entries[i].name);
    if (classifier > 0) FUT_INFO("%s: the classifier (%d tensors) is left out", file->path, classifier);
    if (net_has(net, "embedder.weight") && !has_embedder(file)) FUT_INFO("%s: no embedding layer in it, it keeps its values", file->path);
}

fut_status fut_weights_load(fut_net *net, const char *path)
{
    fut_status st = FUT_OK;
    fut_safetensors *file = NULL;
    host_packs host = {0};
    fut_dtype real = fut_net_get_spec(net)->real;
    int64_t steps = 0;
    FUT_TRY_GOTO(fut_safetensors_open(path, &file), out);
    FUT_TRY_GOTO(check_fit(net, file), out);
    FUT_TRY_GOTO(host_packs_download(net, &host), out);
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, i);
        const fut_safetensors_entry *entry = fut_safetensors_find(file, tensor->name);
        if (entry) FUT_TRY_GOTO(load_tensor(file, entry, real, host_tensor(&host, tensor, real)), out);
    }
    FUT_TRY_GOTO(load_steps(net, file, &steps), out);
    FUT_TRY_GOTO(host_packs_upload(&host, net), out);
    *fut_net_steps_tracked(net) = steps;
    notices(net, file);
out:
    host_packs_fini(&host);
    fut_safetensors_close(&file);
    return st;
}

/* ---- save ----------------------------------------------------------------------------------------------------------------------- */

static fut_status append_entry(fut_str *header, const char *name, const char *dtype, int rank, const int64_t *dim, size_t bytes,
                               size_t *offset)
{
    FUT_TRY(fut_str_append(header, ",", 1));
    FUT_TRY(fut_str_append_json(header, name, strlen(name)));
    FUT_TRY(fut_str_printf(header, ":{\"dtype\":\"%s\",\"shape\":", dtype));
    FUT_TRY(append_shape(header, rank, dim));
    FUT_TRY(fut_str_printf(header, ",\"data_offsets\":[%zu,%zu]}", *offset, *offset + bytes));
    *offset += bytes;
    return FUT_OK;
}

/* Counters come first: 8-byte values must lie on 8-byte boundaries for readers that map the file. */
static fut_status append_header(const fut_net *net, fut_str *header, int64_t *counters_out)
{
    size_t offset = 0, real = fut_dtype_size(fut_net_get_spec(net)->real);
    const char *real_name = fut_net_get_spec(net)->real == FUT_F64 ? "F64" : "F32";
    FUT_TRY(fut_str_printf(header, "{\"__metadata__\":{\"format\":\"pt\"}"));
    *counters_out = 0;
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++) {
        char name[NAME_MAX_BYTES];
        if (!rename_leaf(fut_net_tensor_at(net, i)->name, variance_leaf, tracked_leaf, name)) continue;
        FUT_TRY(append_entry(header, name, "I64", 0, NULL, sizeof(int64_t), &offset));
        (*counters_out)++;
    }
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, i);
        FUT_TRY(append_entry(header, tensor->name, real_name, tensor->rank, tensor->dim, (size_t)tensor->count * real, &offset));
    }
    FUT_TRY(fut_str_append(header, "}", 1));
    while (header->length % 8 != 0)
        FUT_TRY(fut_str_append(header, " ", 1));
    return FUT_OK;
}

fut_status fut_weights_save(fut_net *net, const char *path)
{
    fut_status st = FUT_OK;
    fut_str header = {0}, bytes = {0};
    host_packs host = {0};
    fut_dtype real = fut_net_get_spec(net)->real;
    int64_t counters = 0;
    FUT_TRY_GOTO(append_header(net, &header, &counters), out);
    FUT_TRY_GOTO(host_packs_download(net, &host), out);
    uint64_t length = header.length; /* this machine is little-endian, as the format is */
    FUT_TRY_GOTO(fut_str_append(&bytes, (const char *)&length, sizeof length), out);
    FUT_TRY_GOTO(fut_str_append(&bytes, header.data, header.length), out);
    for (int64_t i = 0; i < counters; i++)
        FUT_TRY_GOTO(fut_str_append(&bytes, (const char *)fut_net_steps_tracked(net), sizeof(int64_t)), out);
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, i);
        FUT_TRY_GOTO(fut_str_append(&bytes, host_tensor(&host, tensor, real), (size_t)tensor->count * fut_dtype_size(real)), out);
    }
    FUT_TRY_GOTO(fut_file_write(path, bytes.data, bytes.length), out);
out:
    host_packs_fini(&host);
    fut_str_fini(&header);
    fut_str_fini(&bytes);
    return st;
}
