#include "data/synth_impl.h"

/* Streams of one seed: a person's traits, then the person's images. */
static fut_synth_draws start(uint64_t seed, int64_t person, int64_t stream)
{
    return (fut_synth_draws){.philox = fut_philox_key(seed, FUT_RNG_SYNTH), .stream = (uint64_t)person << 32 | (uint64_t)stream};
}

float fut_synth_uniform(fut_synth_draws *draws, float min, float max)
{
    return min + (max - min) * (float)fut_philox_uniform(draws->philox, draws->stream, draws->next++);
}

float fut_synth_normal(fut_synth_draws *draws, float deviation)
{
    float v = deviation * (float)fut_philox_normal(draws->philox, draws->stream, draws->next++);
    return fut_clampf(v, -2.5F * deviation, 2.5F * deviation);
}

bool fut_synth_chance(fut_synth_draws *draws, float probability)
{
    return fut_synth_uniform(draws, 0, 1) < probability;
}

static int pick(fut_synth_draws *draws, int n)
{
    int i = (int)fut_synth_uniform(draws, 0, (float)n);
    return i < n ? i : n - 1;
}

static fut_vec3 jitter(fut_synth_draws *draws, fut_vec3 color, float by)
{
    float x = color.x + fut_synth_normal(draws, by);
    float y = color.y + fut_synth_normal(draws, by);
    float z = color.z + fut_synth_normal(draws, by);
    return (fut_vec3){fut_clampf(x, 0.02F, 1), fut_clampf(y, 0.02F, 1), fut_clampf(z, 0.02F, 1)};
}

static fut_vec3 any_color(fut_synth_draws *draws)
{
    float x = fut_synth_uniform(draws, 0.04F, 0.96F);
    float y = fut_synth_uniform(draws, 0.04F, 0.96F);
    float z = fut_synth_uniform(draws, 0.04F, 0.96F);
    return (fut_vec3){x, y, z};
}

static fut_vec3 muted(fut_vec3 color)
{
    float grey = (color.x + color.y + color.z) / 3;
    return fut_mix((fut_vec3){grey, grey, grey}, color, 0.25F);
}

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

/* From pale to dark; a person lies anywhere between two neighbours. */
static const fut_vec3 skins[] = {{0.98F, 0.86F, 0.78F}, {0.95F, 0.77F, 0.64F}, {0.87F, 0.66F, 0.49F},
                                 {0.74F, 0.52F, 0.36F}, {0.55F, 0.36F, 0.24F}, {0.36F, 0.22F, 0.15F}};
static const fut_vec3 hairs[] = {{0.07F, 0.06F, 0.07F}, {0.20F, 0.12F, 0.08F}, {0.38F, 0.22F, 0.12F}, {0.52F, 0.23F, 0.11F},
                                 {0.78F, 0.36F, 0.13F}, {0.87F, 0.70F, 0.40F}, {0.95F, 0.88F, 0.68F}, {0.60F, 0.60F, 0.62F},
                                 {0.93F, 0.93F, 0.94F}, {0.72F, 0.13F, 0.22F}, {0.20F, 0.34F, 0.68F}, {0.25F, 0.55F, 0.36F},
                                 {0.62F, 0.32F, 0.68F}};
static const fut_vec3 irises[] = {{0.20F, 0.11F, 0.06F}, {0.42F, 0.25F, 0.11F}, {0.35F, 0.45F, 0.18F},
                                  {0.18F, 0.52F, 0.40F}, {0.22F, 0.45F, 0.78F}, {0.50F, 0.58F, 0.65F}};

typedef struct hair_style {
    float hairline[2], round[2], part[2], side[2], volume[2], length[2], curl[2];
    bool has_hair, has_knot;
} hair_style;

static const hair_style hair_styles[] = {
    {.has_hair = false},
    /* cropped, receding */
    {{-0.66F, -0.50F}, {-0.5F, 0.1F}, {0, 0}, {-0.35F, -0.05F}, {0.01F, 0.03F}, {-0.1F, 0.1F}, {0, 0.3F}, true, false},
    /* short */
    {{-0.60F, -0.44F}, {0.1F, 0.7F}, {-0.1F, 0.1F}, {-0.20F, 0.10F}, {0.06F, 0.16F}, {0, 0.2F}, {0, 0.5F}, true, false},
    /* combed to one side, either */
    {{-0.58F, -0.42F}, {0.1F, 0.5F}, {0.30F, 0.55F}, {-0.15F, 0.15F}, {0.08F, 0.18F}, {0, 0.2F}, {0, 0.2F}, true, false},
    {{-0.58F, -0.42F}, {0.1F, 0.5F}, {-0.55F, -0.30F}, {-0.15F, 0.15F}, {0.08F, 0.18F}, {0, 0.2F}, {0, 0.2F}, true, false},
    /* fringe and bob */
    {{-0.36F, -0.26F}, {0, 0.2F}, {-0.05F, 0.05F}, {0.30F, 0.60F}, {0.10F, 0.18F}, {0.6F, 0.9F}, {0, 0.2F}, true, false},
    /* long */
    {{-0.64F, -0.46F}, {0.6F, 1.4F}, {-0.2F, 0.2F}, {0.40F, 0.90F}, {0.08F, 0.20F}, {1.2F, 1.9F}, {0, 0.6F}, true, false},
    /* a cloud of curls */
    {{-0.56F, -0.40F}, {0.3F, 0.8F}, {0, 0}, {0, 0.30F}, {0.28F, 0.46F}, {0.3F, 0.7F}, {0.8F, 1}, true, false},
    /* tied up in a knot */
    {{-0.66F, -0.52F}, {0.3F, 0.7F}, {0, 0}, {-0.15F, 0}, {0.03F, 0.06F}, {-0.1F, 0.1F}, {0, 0.2F}, true, true},
};

static float in(fut_synth_draws *draws, const float range[2])
{
    return fut_synth_uniform(draws, range[0], range[1]);
}

static void draw_hair(fut_synth_draws *d, fut_synth_person *p)
{
    const hair_style *style = &hair_styles[pick(d, COUNT(hair_styles))];
    p->has_hair = style->has_hair;
    p->has_knot = style->has_knot;
    p->hairline = in(d, style->hairline);
    p->hair_round = in(d, style->round);
    p->hair_part = in(d, style->part);
    p->hair_side = in(d, style->side);
    p->hair_volume = in(d, style->volume);
    p->hair_length = in(d, style->length);
    p->curl = in(d, style->curl);
    p->hair = jitter(d, hairs[pick(d, COUNT(hairs))], 0.02F);
    p->beard = fut_synth_chance(d, 0.35F) ? (fut_synth_beard)(1 + pick(d, FUT_BEARD_FULL)) : FUT_BEARD_NONE;
}

static void draw_colors(fut_synth_draws *d, fut_synth_person *p)
{
    float tone = fut_synth_uniform(d, 0, (float)COUNT(skins) - 1.001F);
    int below = (int)tone;
    p->skin = jitter(d, fut_mix(skins[below], skins[below + 1], tone - (float)below), 0.015F);
    p->iris = jitter(d, irises[pick(d, COUNT(irises))], 0.03F);
    fut_vec3 red = jitter(d, (fut_vec3){0.70F, 0.28F, 0.31F}, 0.08F);
    p->lip = fut_mix(fut_scale(p->skin, 0.8F), red, fut_synth_uniform(d, 0.25F, 0.9F));
    p->freckles = fut_synth_chance(d, 0.3F) ? fut_synth_uniform(d, 0.4F, 1) : 0;
    p->n_moles = pick(d, FUT_SYNTH_MOLES_MAX + 1);
    for (int i = 0; i < p->n_moles; i++) {
        p->mole[i].x = fut_synth_uniform(d, -0.5F, 0.5F);
        p->mole[i].y = fut_synth_uniform(d, -0.35F, 0.85F);
        p->mole[i].z = fut_synth_uniform(d, 0.025F, 0.05F);
    }
}

void fut_synth_draw_person(uint64_t seed, int64_t person, fut_synth_person *person_out)
{
    fut_synth_draws draws = start(seed, person, 0);
    fut_synth_draws *d = &draws;
    fut_synth_person *p = person_out;
    *p = (fut_synth_person){0};
    p->texture = (uint32_t)fut_synth_uniform(d, 0, 1e6F);
    draw_colors(d, p);
    draw_hair(d, p);
    p->head_width = fut_synth_uniform(d, 0.66F, 0.90F);
    p->jaw_taper = fut_synth_uniform(d, 0, 0.40F);
    p->jaw_square = fut_synth_uniform(d, 0, 0.50F);
    p->eye_width = fut_synth_uniform(d, 0.11F, 0.18F);
    p->eye_x = p->eye_width + fut_synth_uniform(d, 0.08F, 0.19F);
    p->eye_y = fut_synth_uniform(d, -0.10F, 0.06F);
    p->eye_height = p->eye_width * fut_synth_uniform(d, 0.35F, 0.75F);
    p->eye_tilt = fut_synth_uniform(d, -0.28F, 0.22F);
    p->iris_radius = p->eye_width * fut_synth_uniform(d, 0.42F, 0.58F);
    p->lash = fut_synth_uniform(d, 0.010F, 0.040F);
    p->brow_y = p->eye_y - p->eye_height - fut_synth_uniform(d, 0.07F, 0.17F);
    p->brow_thickness = fut_synth_uniform(d, 0.012F, 0.060F);
    p->brow_arch = fut_synth_uniform(d, 0, 0.09F);
    p->brow_tilt = fut_synth_uniform(d, -0.25F, 0.20F);
    p->brow_length = p->eye_width * fut_synth_uniform(d, 0.95F, 1.35F);
    p->nose_tip = fut_synth_uniform(d, 0.26F, 0.46F);
    p->nose_width = fut_synth_uniform(d, 0.09F, 0.20F);
    p->nose_depth = fut_synth_uniform(d, 0.08F, 0.24F);
    p->mouth_y = p->nose_tip + fut_synth_uniform(d, 0.17F, 0.28F);
    p->mouth_width = fut_synth_uniform(d, 0.18F, 0.36F);
    p->lip_upper = fut_synth_uniform(d, 0.020F, 0.075F);
    p->lip_lower = fut_synth_uniform(d, 0.030F, 0.100F);
    p->ear_radius = fut_synth_uniform(d, 0.15F, 0.27F);
    p->ear_y = fut_synth_uniform(d, 0.00F, 0.15F);
}

static void draw_light(fut_synth_draws *d, fut_synth_moment *m)
{
    float side = fut_synth_normal(d, 0.75F);
    float height = fut_synth_uniform(d, -0.9F, 0.4F);
    m->light = fut_unit((fut_vec3){side, height, 1});
    float warmth = fut_synth_normal(d, 0.06F);
    float strength = fut_synth_uniform(d, 0.30F, 0.60F);
    m->key = (fut_vec3){strength * (1 + warmth), strength, strength * (1 - warmth)};
    float shade = fut_synth_uniform(d, 0.45F, 0.65F);
    float shade_warmth = fut_synth_normal(d, 0.04F);
    m->ambient = (fut_vec3){shade * (1 + shade_warmth), shade, shade * (1 - shade_warmth)};
    m->gain = fut_synth_uniform(d, 0.75F, 1.15F);
    m->contrast = fut_synth_uniform(d, 0.75F, 1.2F);
    m->saturation = fut_synth_uniform(d, 0.9F, 1.15F);
    m->noise = fut_synth_uniform(d, 0.003F, 0.030F);
    m->blur_passes = pick(d, 3);
}

static void draw_expression(fut_synth_draws *d, fut_synth_moment *m)
{
    m->smile = fut_synth_uniform(d, -0.5F, 1.2F);
    m->mouth_open = fut_synth_chance(d, 0.4F) ? fut_synth_uniform(d, 0.1F, 1) : 0;
    m->brow_raise = fut_synth_uniform(d, -0.02F, 0.06F);
    m->brow_frown = fut_synth_normal(d, 0.09F);
    float lid = fut_synth_chance(d, 0.05F) ? 0.05F : fut_synth_uniform(d, 0.6F, 1.15F);
    m->lid[0] = lid + fut_synth_normal(d, 0.03F);
    m->lid[1] = lid + fut_synth_normal(d, 0.03F);
    m->gaze_x = fut_synth_normal(d, 0.25F);
    m->gaze_y = fut_synth_normal(d, 0.12F);
}

static void draw_surroundings(fut_synth_draws *d, fut_synth_moment *m)
{
    m->has_glasses = fut_synth_chance(d, 0.15F);
    m->are_glasses_dark = fut_synth_chance(d, 0.15F);
    m->glasses_roundness = fut_synth_uniform(d, 0, 1);
    m->glasses = fut_scale(any_color(d), 0.5F);
    m->shirt = muted(any_color(d));
    m->neckline = fut_synth_uniform(d, 0.1F, 0.5F);
    m->backdrop = (fut_synth_backdrop)pick(d, FUT_BACKDROP_COUNT);
    m->backdrop_color[0] = muted(any_color(d));
    m->backdrop_color[1] = fut_mix(m->backdrop_color[0], muted(any_color(d)), 0.6F);
    m->backdrop_scale = fut_synth_uniform(d, 1.5F, 6);
    float angle = fut_synth_uniform(d, 0, 6.2831853F);
    m->backdrop_cos = cosf(angle);
    m->backdrop_sin = sinf(angle);
    m->texture = (uint32_t)fut_synth_uniform(d, 0, 1e6F);
}

void fut_synth_draw_moment(uint64_t seed, int64_t person, int64_t image, int64_t size, fut_synth_moment *moment_out)
{
    fut_synth_draws draws = start(seed, person, image + 1);
    fut_synth_draws *d = &draws;
    fut_synth_moment *m = moment_out;
    *m = (fut_synth_moment){0};
    float side = (float)size;
    m->pixels = side * fut_synth_uniform(d, 0.34F, 0.42F);
    m->center_x = side * (0.5F + fut_synth_normal(d, 0.05F));
    m->center_y = side * (0.48F + fut_synth_normal(d, 0.045F));
    float roll = fut_synth_normal(d, 0.09F);
    float yaw = fut_synth_normal(d, 0.24F);
    float pitch = fut_synth_normal(d, 0.11F);
    m->roll_cos = cosf(roll);
    m->roll_sin = sinf(roll);
    m->yaw_cos = cosf(yaw);
    m->yaw_sin = sinf(yaw);
    m->pitch_cos = cosf(pitch);
    m->pitch_sin = sinf(pitch);
    draw_light(d, m);
    draw_expression(d, m);
    draw_surroundings(d, m);
}
