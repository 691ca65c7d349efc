/* Logits to detections; contract in pqk_decision.h. */
#include "pqk_decision.h"

#include "spotter.h"

#define STEPS_PER_OCTAVE 16u /* of the exponential: 2^(-t / 16) */
#define STEPS_TO_ZERO 256u   /* 2^-16 is less than half a unit */
#define PLACES ((PQK_OUTPUTS + 31u) / 32u)

static uint16_t history[PQK_MOST_SMOOTHING][PQK_OUTPUTS]; /* probabilities */
static uint32_t sums[PQK_OUTPUTS];                        /* over what is smoothed */
static uint32_t next;                                     /* place in `history` of the next ones */

static int detected; /* there was a detection */
static uint64_t last_detection;

/* round(2^(15 - i / 16)) */
static const uint16_t powers[STEPS_PER_OCTAVE] = {
    32768, 31379, 30048, 28774, 27554, 26386, 25268, 24196,
    23170, 22188, 21247, 20347, 19484, 18658, 17867, 17109,
};

int pqk_settings_valid(const pqk_settings *settings) {
    return settings->smoothing >= 1 && settings->smoothing <= PQK_MOST_SMOOTHING &&
           settings->stride >= 1;
}

void pqk_decision_reset(void) {
    pqk_decision_forget();
    detected = 0;
}

void pqk_decision_forget(void) {
    __builtin_memset(history, 0, sizeof history);
    __builtin_memset(sums, 0, sizeof sums);
    next = 0;
}

static int32_t largest(const int32_t *logits) {
    int32_t best = logits[0];
    for (uint32_t i = 1; i < PQK_OUTPUTS; i++) {
        best = logits[i] > best ? logits[i] : best;
    }
    return best;
}

/* e^(-distance steps of a logit), where PQK_ONE is 1. */
static uint32_t exponential(uint32_t distance, pqk_logit_scale scale) {
    const uint64_t steps = ((uint64_t)distance * scale.multiplier) >> scale.shift;
    if (steps >= STEPS_TO_ZERO) {
        return 0;
    }
    const uint32_t t = (uint32_t)steps;
    return (uint32_t)powers[t % STEPS_PER_OCTAVE] >> (t / STEPS_PER_OCTAVE);
}

void pqk_probabilities(const int32_t *logits, pqk_logit_scale scale, uint16_t *out) {
    const int32_t best = largest(logits);
    uint32_t exponentials[PQK_OUTPUTS];
    uint32_t sum = 0;
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        exponentials[i] = exponential((uint32_t)best - (uint32_t)logits[i], scale);
        sum += exponentials[i];
    }
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        out[i] = (uint16_t)((exponentials[i] * PQK_ONE + sum / 2u) / sum);
    }
}

/* Replaces the oldest of the last `smoothing` inferences by the one with these logits. */
static void smooth(const int32_t *logits, uint32_t smoothing) {
    static const pqk_logit_scale scale = PQK_LOGIT_SCALE;
    uint16_t *const now = history[next];
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        sums[i] -= now[i];
    }
    pqk_probabilities(logits, scale, now);
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        sums[i] += now[i];
    }
    next = next + 1u < smoothing ? next + 1u : 0;
}

static int is_keyword(uint32_t output) {
    static const uint32_t keywords[PLACES] = PQK_KEYWORDS;
    return keywords[output / 32u] >> output % 32u & 1u;
}

/* The likeliest of the keywords that reach their threshold, the first of equal ones; PQK_OUTPUTS
 * where there is none. */
static uint32_t spotted(const pqk_settings *settings) {
    uint32_t word = PQK_OUTPUTS;
    uint32_t best = 0;
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        const uint32_t score = sums[i] / settings->smoothing;
        if (is_keyword(i) && score >= settings->thresholds[i] &&
            (word == PQK_OUTPUTS || score > best)) {
            word = i;
            best = score;
        }
    }
    return word;
}

int pqk_decide(const pqk_settings *settings, const int32_t *logits, uint64_t samples,
               pqk_detection *detection) {
    smooth(logits, settings->smoothing);
    if (detected && samples - last_detection < settings->refractory) {
        return 0;
    }
    const uint32_t word = spotted(settings);
    if (word == PQK_OUTPUTS) {
        return 0;
    }
    detected = 1;
    last_detection = samples;
    detection->word = word;
    detection->score = sums[word] / settings->smoothing;
    detection->samples = samples;
    return 1;
}
