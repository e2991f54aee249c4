#include "launch/sheet.h"

#include "core/base/file.h"
#include "core/base/mem.h"
#include "data/augment.h"
#include "data/image.h"
#include "data/image_adjust.h"

enum { PEOPLE_TILE = 96, TILE_MAX = 224, GAP = 2, WIDE_GAP = 10, PAPER = 235 };

/* A picture of equal tiles; the first column stands apart by first_gap. */
typedef struct sheet {
    fut_image picture;
    int64_t tile, first_gap;
} sheet;

static fut_status sheet_create(sheet *s, int64_t tile, int64_t first_gap, int64_t rows, int64_t columns)
{
    s->tile = tile;
    s->first_gap = first_gap;
    FUT_TRY(fut_image_create(columns * (tile + GAP) + first_gap, GAP + rows * (tile + GAP), &s->picture));
    fut_image_fill(&s->picture, &(fut_image_rect){0, 0, s->picture.width, s->picture.height}, PAPER);
    return FUT_OK;
}

static fut_status sheet_put(sheet *s, const fut_image *photo, int64_t column, int64_t row)
{
    fut_image tile = {0};
    FUT_TRY(fut_image_resize(photo, NULL, s->tile, s->tile, &tile));
    int64_t apart = column > 0 ? s->first_gap : GAP;
    fut_image_paste(&s->picture, &tile, apart + column * (s->tile + GAP), GAP + row * (s->tile + GAP));
    fut_image_fini(&tile);
    return FUT_OK;
}

static fut_status sheet_write(const sheet *s, const char *path)
{
    fut_str png = {0};
    fut_status st = fut_image_encode_png(&s->picture, &png);
    if (st == FUT_OK) st = fut_file_write(path, png.data, png.length);
    fut_str_fini(&png);
    return st;
}

/* ---- people ---- */

/* Those with two photos or more, or all if nobody has. people_out [rows]; returns how many. */
static int64_t choose_people(const fut_dataset *dataset, int64_t rows, int64_t *people_out, int64_t *most_out)
{
    int64_t n_people = fut_dataset_get_info(dataset)->n_identities;
    const int64_t *first = fut_dataset_get_first(dataset);
    int64_t n = 0;
    *most_out = 0;
    for (int64_t least = 2; least >= 1 && n == 0; least--)
        for (int64_t k = 0; k < n_people && n < rows; k++) {
            int64_t count = first[k + 1] - first[k];
            if (count < least) continue;
            people_out[n++] = k;
            if (count > *most_out) *most_out = count;
        }
    return n;
}

fut_status fut_sheet_of_people(const fut_dataset *dataset, int64_t rows, int64_t columns, const char *path)
{
    fut_status st = FUT_OK;
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    const int64_t *first = fut_dataset_get_first(dataset);
    int64_t people[FUT_SHEET_ROWS_MAX];
    int64_t most = 0;
    sheet s = {0};
    fut_image photo = {0};
    rows = choose_people(dataset, rows, people, &most);
    if (columns > most) columns = most;
    FUT_TRY_GOTO(sheet_create(&s, PEOPLE_TILE, GAP, rows, columns), out);
    FUT_TRY_GOTO(fut_image_create(info->width, info->height, &photo), out);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t j = 0; j < columns && first[people[row]] + j < first[people[row] + 1]; j++) {
            FUT_TRY_GOTO(fut_dataset_read(dataset, first[people[row]] + j, photo.rgb), out);
            FUT_TRY_GOTO(sheet_put(&s, &photo, j, row), out);
        }
    FUT_TRY_GOTO(sheet_write(&s, path), out);
out:
    fut_image_fini(&photo);
    fut_image_fini(&s.picture);
    return st;
}

/* ---- augmentations ---- */

/* The first training photo of each of the first people who have one. photos_out [rows]. Errors: FUT_ERR_NO_MEMORY */
static fut_status choose_photos(const fut_dataset *dataset, int64_t rows, int64_t *photos_out, int64_t *n_out)
{
    int64_t n_people = fut_dataset_get_info(dataset)->n_identities;
    const int32_t *labels = fut_dataset_get_labels(dataset);
    int64_t n_train = 0;
    const int64_t *train = fut_dataset_get_part(dataset, FUT_PART_TRAIN, &n_train);
    int64_t *photo = NULL; /* [n_people], and 1 is added, so that 0 is nobody */
    FUT_TRY(FUT_NEW_ARRAY(n_people, &photo));
    for (int64_t i = 0; i < n_train; i++) {
        int64_t *of_person = &photo[labels[train[i]]];
        if (*of_person == 0 || train[i] + 1 < *of_person) *of_person = train[i] + 1;
    }
    *n_out = 0;
    for (int64_t k = 0; k < n_people && *n_out < rows; k++)
        if (photo[k] > 0) photos_out[(*n_out)++] = photo[k] - 1;
    fut_mem_free(photo);
    return FUT_OK;
}

/* A row of the sheet. `photo` has the file's size, `seen` the network's. */
static fut_status put_draws(const fut_config *config, const fut_image *photo, int64_t row, int64_t columns, void *scratch, fut_image *seen,
                            sheet *s)
{
    const fut_image_rect whole = {0, 0, photo->width, photo->height};
    FUT_TRY(sheet_put(s, photo, 0, row));
    for (int64_t column = 1; column < columns; column++) {
        fut_image_resize_into(photo, &whole, seen->width, seen->height, scratch, seen->rgb);
        fut_augment_apply(&config->data.augment, (uint64_t)config->seed, column - 1, row, seen, scratch);
        FUT_TRY(sheet_put(s, seen, column, row));
    }
    return FUT_OK;
}

fut_status fut_sheet_of_augments(const fut_dataset *dataset, const fut_config *config, int64_t rows, int64_t columns, const char *path)
{
    fut_status st = FUT_OK;
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    const fut_opt_variants *list = &config->data.augment;
    const int64_t size = config->data.size;
    int64_t photos[FUT_SHEET_ROWS_MAX];
    sheet s = {0};
    fut_image photo = {0};
    fut_image seen = {0};
    void *scratch = NULL;
    FUT_CHECK(list->count > 0, FUT_ERR_CONFIG,
              "data.augment is empty, so there is nothing to show: name a configuration that has some, or --set 'data.augment=[flip]'");
    size_t resizing = fut_image_resize_scratch_bytes(info->width, info->height, size, size);
    size_t augmenting = fut_augment_scratch_bytes(list, size, size);
    FUT_TRY_GOTO(choose_photos(dataset, rows, photos, &rows), out);
    FUT_TRY_GOTO(sheet_create(&s, size < TILE_MAX ? size : TILE_MAX, WIDE_GAP, rows, columns), out);
    FUT_TRY_GOTO(fut_image_create(info->width, info->height, &photo), out);
    FUT_TRY_GOTO(fut_image_create(size, size, &seen), out);
    FUT_TRY_GOTO(fut_mem_alloc(resizing > augmenting ? resizing : augmenting, 1, &scratch), out);
    for (int64_t row = 0; row < rows; row++) {
        FUT_TRY_GOTO(fut_dataset_read(dataset, photos[row], photo.rgb), out);
        FUT_TRY_GOTO(put_draws(config, &photo, row, columns, scratch, &seen, &s), out);
    }
    FUT_TRY_GOTO(sheet_write(&s, path), out);
out:
    fut_mem_free(scratch);
    fut_image_fini(&seen);
    fut_image_fini(&photo);
    fut_image_fini(&s.picture);
    return st;
}
