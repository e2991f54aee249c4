#include "core/base/str.h"
#include "dist/boot.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/embeddings_file.h"
#include "launch/gallery.h"
#include "launch/photos.h"

#include <stdio.h>

static const char intro[] = "Writes the embedding of every photo of INPUT, with the people's names and the photos' paths.\n"
                            "FILE.h5: /embeddings f32 [N, D], /labels i64 [N], /identities and /images with names, as in a packed file.\n"
                            "FILE.npy: f32 [N, D] for NumPy, and FILE.txt beside it: a line a row with the person, a tab and the path.\n"
                            "Rows have length 1: the dot product of two is the similarity that `futago verify` prints.";

static const fut_arg args_table[] = {
    FUT_ARG_POSITIONAL("RUN", "folder of a trained run"),
    FUT_ARG_POSITIONAL("INPUT", "a folder, one sub-folder a person, or a packed file"),
    FUT_ARG_VALUE('o', "output", "FILE", NULL, "file to write, .h5 or .npy"),
    FUT_PHOTO_CROP_ARG,
    FUT_CHECKPOINT_ARG,
    FUT_PRECISION_ARG,
    FUT_ARG_FLAG('f', "force", "replace the output if it exists"),
    FUT_ARG_END,
};

static fut_status open_run(const fut_comm *comm, const fut_args *args, fut_embeddings_file *file, fut_trained *trained, double *crop_out)
{
    fut_model_place place = fut_model_place_of(comm);
    const char *output = fut_args_get(args, "output");
    FUT_CHECK(output != NULL && output[0] != '\0', FUT_ERR_USAGE, "give the file to write: futago embed %s %s -o embeddings.h5",
              fut_args_get(args, "RUN"), fut_args_get(args, "INPUT"));
    FUT_TRY(
        fut_trained_open(fut_args_get(args, "RUN"), fut_args_get(args, "checkpoint"), fut_args_get(args, "precision"), &place, trained));
    FUT_TRY(fut_photo_crop(args, trained, crop_out));
    return fut_comm_rank(comm) == 0 ? fut_embeddings_begin(output, fut_args_is_given(args, "force"), file) : FUT_OK;
}

static fut_status write_file(const fut_args *args, const fut_trained *trained, const fut_gallery *gallery, fut_embeddings_file *file)
{
    fut_embeddings_origin origin = {.model = fut_str_text(&trained->meta.model),
                                    .checkpoint = fut_str_text(&trained->path),
                                    .input = fut_args_get(args, "INPUT"),
                                    .step = trained->progress.step};
    FUT_TRY(fut_embeddings_commit(file, gallery, &origin));
    (void)printf("%s: %lld photos of %lld people, %lld values each\n", fut_args_get(args, "output"), (long long)gallery->photo.n,
                 (long long)gallery->person.n, (long long)gallery->dim);
    return FUT_OK;
}

static fut_status embed(fut_comm *comm, int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    fut_trained trained = {0};
    fut_gallery gallery = {0};
    fut_embeddings_file file = {0};
    double crop = 1;
    FUT_TRY_GOTO(fut_comm_agree(comm, fut_args_parse(args_table, intro, argc, argv, &args)), out);
    if (args == NULL) goto out;
    FUT_TRY_GOTO(fut_comm_agree(comm, open_run(comm, args, &file, &trained, &crop)), out);
    FUT_TRY_GOTO(fut_gallery_open(&trained, comm, fut_args_get(args, "INPUT"), crop, &gallery), out);
    if (fut_comm_rank(comm) == 0) st = write_file(args, &trained, &gallery, &file);
    st = fut_comm_agree(comm, st);
out:
    fut_embeddings_abandon(&file);
    fut_gallery_fini(&gallery);
    fut_trained_close(&trained);
    fut_args_destroy(&args);
    return st;
}

fut_status fut_cmd_embed(int argc, char **argv)
{
    fut_comm *comm = NULL;
    FUT_TRY(fut_boot(&comm));
    return fut_boot_finish(&comm, embed(comm, argc, argv));
}
