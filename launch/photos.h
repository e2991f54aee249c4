/* Photos from files, as a trained network wants them: decoded, centre-cropped and resized exactly as `futago pack` does. */
#ifndef FUT_LAUNCH_PHOTOS_H
#define FUT_LAUNCH_PHOTOS_H

#include "data/image.h"
#include "launch/args.h"
#include "launch/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The option of every command that reads photos for a trained network, and its value: as the photos that it was trained on were cut, unless
 * the user says otherwise. Errors: FUT_ERR_USAGE. */
#define FUT_PHOTO_CROP_ARG                                                                                                                 \
    FUT_ARG_VALUE(0, "crop", "F", NULL,                                                                                                    \
                  "centred part of photos to use; default: as the photos of the training were cut (`futago pack --crop`); a packed file "  \
                  "has its own")
fut_status fut_photo_crop(const fut_args *args, const fut_trained *trained, double *crop_out) FUT_MUST_CHECK;

/* crop: centred fraction (0, 1]. Owns: *photo_out. Errors: FUT_ERR_NO_INPUT, FUT_ERR_PERMISSION, FUT_ERR_DATA naming the file. */
fut_status fut_photo_read(const char *path, double crop, int64_t size, fut_image *photo_out) FUT_MUST_CHECK;
/* Photos of a folder, or of any place where `folder` is NULL. */
typedef struct fut_photo_list {
    const char *folder;
    const char *const *path; /* [n] */
    int64_t n;
    double crop;
    int64_t size;
} fut_photo_list;
/* Photo i into rgb_out [size, size, 3]. Errors: those of fut_photo_read. */
fut_status fut_photo_list_read(const fut_photo_list *list, int64_t i, uint8_t *rgb_out) FUT_MUST_CHECK;
/* Photos [first, first + n) into rgb_out [n, size, size, 3], by so many threads; status_out [n] is each one's own, without its message,
 * which reading it again would give. */
void fut_photo_list_read_many(const fut_photo_list *list, int64_t first, int64_t n, int threads, uint8_t *rgb_out, fut_status *status_out);
/* The same where all must be readable: the error is that of the first which is not. */
fut_status fut_photo_list_read_all(const fut_photo_list *list, int64_t first, int64_t n, int threads, uint8_t *rgb_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
