#include "launch/agreement.h"

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "dist/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The configuration as text, with what may differ between hosts left out. Owns: *text_out. */
static fut_status print_common(const fut_config *config, fut_str *text_out)
{
    fut_config *common = NULL; /* variants stay the original's: borrowed */
    FUT_TRY(FUT_NEW(&common));
    *common = *config;
    common->data.file[0] = '\0';
    common->data.threads = 1;
    common->model.weights[0] = '\0';
    fut_status st = fut_config_print(common, text_out);
    fut_mem_free(common);
    return st;
}

/* Rank 0's text to all. Owns: *text_out. */
static fut_status share_text(fut_comm *comm, const fut_str *mine, fut_str *text_out)
{
    int64_t bytes = (int64_t)mine->length;
    char *buffer = NULL;
    FUT_TRY(fut_comm_broadcast(comm, &bytes, 1, FUT_I64, 0, "configuration"));
    fut_status st = FUT_NEW_ARRAY(bytes + 1, &buffer);
    if (st == FUT_OK && comm->rank == 0) memcpy(buffer, mine->data, (size_t)bytes);
    st = fut_comm_agree(comm, st);
    if (st == FUT_OK) st = fut_comm_broadcast(comm, buffer, bytes, FUT_U8, 0, "configuration");
    if (st == FUT_OK) st = fut_str_append(text_out, buffer, (size_t)bytes);
    fut_mem_free(buffer);
    return st;
}

/* The first line of mine that is not rank 0's; "" where there is none. */
static void find_first_difference(const char *mine, const char *first, char *line_out, size_t max)
{
    line_out[0] = '\0';
    while (*mine != '\0' || *first != '\0') {
        size_t a = strcspn(mine, "\n");
        size_t b = strcspn(first, "\n");
        if (a != b || strncmp(mine, first, a) != 0) {
            size_t indent = strspn(mine, " ");
            (void)snprintf(line_out, max, "'%.*s'", (int)(a > indent ? a - indent : 0), mine + (a > indent ? indent : 0));
            return;
        }
        mine += a + (mine[a] == '\n');
        first += b + (first[b] == '\n');
    }
}

/* The differences that rank 0 found become everyone's error. */
static fut_status refuse(fut_comm *comm, fut_status code, const char *what, const fut_str *differences)
{
    fut_status st = FUT_OK;
    if (differences->length > 0) st = FUT_FAIL(code, "%s: %s", what, fut_str_text(differences));
    return fut_comm_agree(comm, st);
}

fut_status fut_agree_on_config(const fut_config *config, fut_comm *comm)
{
    fut_status st = FUT_OK;
    fut_str mine = {0};
    fut_str first = {0};
    fut_str differences = {0};
    fut_claim claim = {.name = "configuration"};
    if (comm->size == 1) return FUT_OK;
    FUT_TRY_GOTO(fut_comm_agree(comm, print_common(config, &mine)), out);
    FUT_TRY_GOTO(share_text(comm, &mine, &first), out);
    (void)snprintf(claim.value, sizeof claim.value, "%016" PRIx64, fut_hash_xxh3(mine.data, mine.length));
    find_first_difference(fut_str_text(&mine), fut_str_text(&first), claim.comment, sizeof claim.comment);
    FUT_TRY_GOTO(fut_comm_compare(comm, &claim, 1, &differences), out);
    FUT_TRY_GOTO(refuse(comm, FUT_ERR_CONFIG, "ranks were started with different configurations", &differences), out);
out:
    fut_str_fini(&mine);
    fut_str_fini(&first);
    fut_str_fini(&differences);
    return st;
}

fut_status fut_agree_on_data(const fut_dataset *dataset, const fut_backend_info *info, fut_comm *comm)
{
    fut_status st = FUT_OK;
    fut_str differences = {0};
    fut_claim photos = {.name = "dataset"};
    fut_claim library = {.name = "computes with"};
    (void)snprintf(photos.value, sizeof photos.value, "%016" PRIx64, fut_dataset_get_info(dataset)->fingerprint);
    (void)snprintf(photos.comment, sizeof photos.comment, "%s", fut_dataset_get_path(dataset));
    (void)snprintf(library.value, sizeof library.value, "%s", info->library);
    FUT_TRY_GOTO(fut_comm_compare(comm, &photos, 1, &differences), out);
    FUT_TRY_GOTO(refuse(comm, FUT_ERR_DATA, "ranks see different photos", &differences), out);
    FUT_TRY_GOTO(fut_comm_compare(comm, &library, 1, &differences), out);
    if (differences.length > 0)
        FUT_WARN("%s: other bits than on ranks alike, and parameters may part, which train.check_replicas finds; make libraries and "
                 "instruction sets the same, e.g. by ONEDNN_MAX_CPU_ISA",
                 fut_str_text(&differences));
out:
    fut_str_fini(&differences);
    return st;
}
