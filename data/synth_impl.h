/* Private to data/synth*.c: what a face is made of.
 *
 * Face units: the head's half height is 1; x to the image's right, y down, z to the camera. The head is a sphere whose width is stretched
 * row by row to the outline of a face; features lie on it in frontal coordinates (x, y), so that turning the head moves and foreshortens
 * them. */
#ifndef FUT_DATA_SYNTH_IMPL_H
#define FUT_DATA_SYNTH_IMPL_H

#include "core/base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* A colour (0..1) or a point. */
typedef struct fut_vec3 {
    float x, y, z;
} fut_vec3;

/* Numbers drawn one after another from one Philox stream. */
typedef struct fut_synth_draws {
    fut_philox philox;
    uint64_t stream, next;
} fut_synth_draws;

float fut_synth_uniform(fut_synth_draws *draws, float min, float max);
float fut_synth_normal(fut_synth_draws *draws, float deviation);
bool fut_synth_chance(fut_synth_draws *draws, float probability);

enum { FUT_SYNTH_MOLES_MAX = 3 };
typedef enum fut_synth_beard { FUT_BEARD_NONE, FUT_BEARD_STUBBLE, FUT_BEARD_MOUSTACHE, FUT_BEARD_GOATEE, FUT_BEARD_FULL } fut_synth_beard;

/* What makes a person: the same in all of their images. */
typedef struct fut_synth_person {
    fut_vec3 skin, hair, iris, lip;
    float head_width, jaw_taper, jaw_square;
    float eye_x, eye_y, eye_width, eye_height, eye_tilt, iris_radius, lash;
    float brow_y, brow_thickness, brow_arch, brow_tilt, brow_length;
    float nose_tip, nose_width, nose_depth;
    float mouth_y, mouth_width, lip_upper, lip_lower;
    float ear_radius, ear_y;
    float freckles; /* 0 none .. 1 many */
    int n_moles;
    fut_vec3 mole[FUT_SYNTH_MOLES_MAX]; /* x, y, radius */
    bool has_hair, has_knot;
    float hairline, hair_round, hair_part; /* line above the forehead: y = hairline + round x^2 + part x */
    float hair_side;                       /* how far hair reaches down at the temples */
    float hair_volume, hair_length;        /* beyond the head; lowest point behind it */
    float curl;                            /* 0 straight .. 1 curly */
    fut_synth_beard beard;
    uint32_t texture; /* of freckles and hair */
} fut_synth_person;

typedef enum fut_synth_backdrop {
    FUT_BACKDROP_GRADIENT,
    FUT_BACKDROP_CLOUDS,
    FUT_BACKDROP_STRIPES,
    FUT_BACKDROP_TILES,
    FUT_BACKDROP_BOKEH,
    FUT_BACKDROP_COUNT
} fut_synth_backdrop;

/* What makes a moment: different in every image. */
typedef struct fut_synth_moment {
    float pixels;             /* a face unit in pixels */
    float center_x, center_y; /* of the head, in pixels */
    float roll_cos, roll_sin, yaw_cos, yaw_sin, pitch_cos, pitch_sin;
    fut_vec3 light, key, ambient; /* direction to the light; colours of the light and of the shade */
    float smile, mouth_open, brow_raise, brow_frown, lid[2], gaze_x, gaze_y;
    bool has_glasses, are_glasses_dark;
    float glasses_roundness;
    fut_vec3 glasses, shirt;
    float neckline;
    fut_synth_backdrop backdrop;
    fut_vec3 backdrop_color[2];
    float backdrop_scale, backdrop_cos, backdrop_sin;
    float gain, contrast, saturation;
    float noise;     /* deviation, 0..1 */
    int blur_passes; /* of a (1 2 1) / 4 filter, at 128 pixels */
    uint32_t texture;
} fut_synth_moment;

void fut_synth_draw_person(uint64_t seed, int64_t person, fut_synth_person *person_out);
void fut_synth_draw_moment(uint64_t seed, int64_t person, int64_t image, int64_t size, fut_synth_moment *moment_out);

/* The face at sphere point `normal` (unit, z >= 0): colour before lighting, and the surface normal with nose, brow and cheek on it. */
void fut_synth_face(const fut_synth_person *person, const fut_synth_moment *moment, fut_vec3 normal, fut_vec3 *color_out,
                    fut_vec3 *normal_out);
/* The glasses over it, blended into *color. */
void fut_synth_glasses(const fut_synth_person *person, const fut_synth_moment *moment, fut_vec3 normal, fut_vec3 *color);

/* ---- small helpers of the drawing code; only + - * / and sqrt a pixel, so that every machine draws the same ---- */

static inline float fut_clampf(float v, float lo, float hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}
/* 0 below lo, 1 above hi, smooth between. */
static inline float fut_smoothstep(float lo, float hi, float v)
{
    float t = fut_clampf((v - lo) / (hi - lo), 0, 1);
    return t * t * (3 - 2 * t);
}
/* A smooth hill: 1 at q = 0, 0 from |q| = 1 on. */
static inline float fut_hill(float q)
{
    float t = 1 - q * q;
    return t > 0 ? t * t : 0;
}
/* How much of a pixel lies inside a shape whose edge is `distance` face units away (negative inside): antialiasing. */
static inline float fut_coverage(const fut_synth_moment *moment, float distance)
{
    return fut_clampf(0.5F - distance * moment->pixels, 0, 1);
}
static inline fut_vec3 fut_mix(fut_vec3 a, fut_vec3 b, float t)
{
    return (fut_vec3){a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t, a.z + (b.z - a.z) * t};
}
static inline fut_vec3 fut_scale(fut_vec3 a, float s)
{
    return (fut_vec3){a.x * s, a.y * s, a.z * s};
}
static inline float fut_dot(fut_vec3 a, fut_vec3 b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
static inline fut_vec3 fut_unit(fut_vec3 a)
{
    return fut_scale(a, 1 / sqrtf(fut_dot(a, a)));
}
/* The head's half width at height y, before the sphere rounds it off. */
static inline float fut_synth_width(const fut_synth_person *person, float y)
{
    float t = fut_clampf(y, 0, 1);
    return person->head_width * (1 - person->jaw_taper * t + person->jaw_square * t * t * t);
}
/* Scrambled bits of a lattice point (the finaliser of MurmurHash3). */
static inline uint32_t fut_hash2(int32_t x, int32_t y, uint32_t seed)
{
    uint32_t h = (uint32_t)x * 0x9e3779b1U ^ (uint32_t)y * 0x85ebca77U ^ seed * 0xc2b2ae3dU;
    h = (h ^ (h >> 16)) * 0x85ebca6bU;
    h = (h ^ (h >> 13)) * 0xc2b2ae35U;
    return h ^ (h >> 16);
}
/* Value noise, smooth, in [0, 1], with one cell a unit. */
float fut_synth_noise(float x, float y, uint32_t seed);

#endif
