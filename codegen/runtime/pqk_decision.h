/* From logits to detections: probabilities, smoothed over several inferences, against a threshold
 * for each word. The definition is codegen/pqk_codegen/decision.py, bit for bit. Not reentrant. */
#ifndef PQK_DECISION_H
#define PQK_DECISION_H

#include <stdint.h>

#include "network.h"

#define PQK_ONE 32768u /* the probability 1 */

typedef struct {
    uint32_t word;    /* which output: pqk_network_labels has its name */
    uint32_t score;   /* its smoothed probability, in steps of 1 / PQK_ONE */
    uint64_t samples; /* received since the start when its window was complete */
} pqk_detection;

/* What may be changed at run time. */
typedef struct {
    uint16_t thresholds[PQK_OUTPUTS]; /* least smoothed probability; above PQK_ONE means never */
    uint16_t smoothing;               /* inferences that are averaged, 1 .. PQK_MOST_SMOOTHING */
    uint16_t stride;                  /* frames from inference to inference, at least 1 */
    uint32_t refractory;              /* samples from detection to detection, at least */
} pqk_settings;

/* Whether every value is in its range. */
int pqk_settings_valid(const pqk_settings *settings);

/* log2(e) * 16 times the real value of one step of a logit is multiplier / 2^shift. */
typedef struct {
    uint16_t multiplier;
    uint16_t shift;
} pqk_logit_scale;

/* Writes the probabilities (PQK_OUTPUTS, in steps of 1 / PQK_ONE) that logits stand for. */
void pqk_probabilities(const int32_t *logits, pqk_logit_scale scale, uint16_t *out);

/* Begins anew: no inference and no detection so far. */
void pqk_decision_reset(void);

/* Forgets the inferences so far, as a change of settings demands, but not when the last detection
 * was. Inferences that were not made yet count as probability 0. */
void pqk_decision_forget(void);

/* Takes the logits (PQK_OUTPUTS) of one inference, and its time in samples since the start. Returns
 * 1 and fills in `detection` where a word is detected. */
int pqk_decide(const pqk_settings *settings, const int32_t *logits, uint64_t samples,
               pqk_detection *detection);

#endif
