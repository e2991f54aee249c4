/* Embedded photos of people: what `futago identify` searches and `futago embed` writes.
 *
 *     folder, one sub-folder a person --+
 *                                       +--> people, photos sorted by person, one embedding a photo
 *     packed file ----------------------+ */
#ifndef FUT_LAUNCH_GALLERY_H
#define FUT_LAUNCH_GALLERY_H

#include "core/base/str.h"
#include "dist/comm.h"
#include "launch/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Texts as given, maybe not UTF-8: text i is bytes[offset[i] .. offset[i + 1]). {0} is empty. */
typedef struct fut_texts {
    fut_str bytes;
    uint64_t *offset; /* [n + 1]; NULL while n is 0 */
    int64_t n, capacity;
} fut_texts;
fut_status fut_texts_add(fut_texts *texts, const char *text, size_t length) FUT_MUST_CHECK;
/* Borrowed, not NUL-terminated. */
const char *fut_texts_get(const fut_texts *texts, int64_t i, size_t *length_out);
void fut_texts_fini(fut_texts *texts);

/* {0} is empty. Owns everything, fut_gallery_fini. */
typedef struct fut_gallery {
    fut_texts person;     /* n names */
    fut_texts photo;      /* n paths below the folder (of a packed file: the one it was packed from) */
    int64_t *first;       /* [people + 1] person c has photos [first[c], first[c + 1]), at least one */
    float *embedding;     /* [photos, dim], rows of length 1 */
    fut_texts left_out;   /* people of the folder without a readable photo */
    int64_t n_unreadable; /* files of the folder that are no readable photo */
    int64_t dim;
} fut_gallery;

/* Read and embed everything. A file that is no readable photo, and a person without one, is warned about by name and left out.
 * crop:       centred part of the photos of a folder, as `futago pack --crop`; a packed file has its own
 * Collective: yes; every rank gets all of it
 * Errors:     FUT_ERR_NO_INPUT; FUT_ERR_DATA: nobody is left, or a photo of a packed file is damaged */
fut_status fut_gallery_open(fut_trained *trained, fut_comm *comm, const char *path, double crop, fut_gallery *gallery_out) FUT_MUST_CHECK;
void fut_gallery_fini(fut_gallery *gallery);

/* How alike a photo and a person are: the most similar of their photos, the mean over their photos, or the similarity with the mean of
 * their embeddings. */
typedef enum fut_gallery_by { FUT_GALLERY_BEST, FUT_GALLERY_MEAN, FUT_GALLERY_CENTROID } fut_gallery_by;

typedef struct fut_candidate {
    int64_t person;
    double similarity;
    int64_t photo; /* their most similar one; of equals the first */
} fut_candidate;

/* Everybody, most alike first; of equals the one who stands first in the gallery.
 * Shape: embedding [dim], of length 1; candidate_out [people] */
void fut_gallery_rank(const fut_gallery *gallery, const float *embedding, fut_gallery_by by, fut_candidate *candidate_out);

#ifdef __cplusplus
}
#endif

#endif
