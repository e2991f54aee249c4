/* Ranking the people of a gallery, by hand: best, mean and centroid, ties, a centroid that is nowhere; names of any bytes. */
#include "launch/gallery.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { PEOPLE = 4, PHOTOS = 8, DIM = 2 };

/*   0: right, up         best 1     mean .5        centroid .7071
 *   1: (.8, +-.6)        best .8    mean .8        centroid 1
 *   2: right, left       best 1     mean 0         centroid 0: the two cancel out
 *   3: as 1, other order best .8    mean .8        centroid 1 */
static float rows[PHOTOS][DIM] = {{1, 0}, {0, 1}, {0.8F, 0.6F}, {0.8F, -0.6F}, {-1, 0}, {1, 0}, {0.8F, -0.6F}, {0.8F, 0.6F}};

static void check_order(fut_gallery_by by, const int64_t people[PEOPLE], const double similarity[PEOPLE], const int64_t photos[PEOPLE])
{
    int64_t first[] = {0, 2, 4, 6, 8};
    const float probe[DIM] = {1, 0};
    fut_candidate c[PEOPLE];
    fut_gallery g = {.person = {.n = PEOPLE}, .photo = {.n = PHOTOS}, .first = first, .embedding = rows[0], .dim = DIM};
    fut_gallery_rank(&g, probe, by, c);
    for (int k = 0; k < PEOPLE; k++) {
        assert_int_equal(c[k].person, people[k]);
        assert_int_equal(c[k].photo, photos[k]);
        assert_true(fabs(c[k].similarity - similarity[k]) < 1e-7);
    }
}

static void test_order(void **state)
{
    (void)state;
    check_order(FUT_GALLERY_BEST, (int64_t[]){0, 2, 1, 3}, (double[]){1, 1, 0.8, 0.8}, (int64_t[]){0, 5, 2, 6});
    check_order(FUT_GALLERY_MEAN, (int64_t[]){1, 3, 0, 2}, (double[]){0.8, 0.8, 0.5, 0}, (int64_t[]){2, 6, 0, 5});
    check_order(FUT_GALLERY_CENTROID, (int64_t[]){1, 3, 0, 2}, (double[]){1, 1, sqrt(0.5), 0}, (int64_t[]){2, 6, 0, 5});
}

static void test_texts(void **state)
{
    (void)state;
    fut_texts texts = {0};
    char name[16];
    for (int i = 0; i < 300; i++) {
        memset(name, i % 256, sizeof name);
        assert_int_equal(fut_texts_add(&texts, name, (size_t)(i % 16)), FUT_OK);
    }
    for (int i = 0; i < 300; i++) {
        size_t length = 0;
        const char *text = fut_texts_get(&texts, i, &length);
        memset(name, i % 256, sizeof name);
        assert_int_equal(length, i % 16);
        assert_memory_equal(text, name, length);
    }
    fut_texts_fini(&texts);
    fut_texts_fini(&texts); /* twice is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests_name("gallery", tests, NULL, NULL);
}
