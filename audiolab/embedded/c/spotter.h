/* A keyword spotter in two functions, for a microcontroller as for a computer: C99, whole numbers from the features
   on, nothing allocated. All buffers are static, so that one clip at a time goes through, from one thread. */

#ifndef SPOTTER_H
#define SPOTTER_H

#include <stdint.h>

#include "model.h"

/* The codes of the log-mel picture of n >= 0 samples at SPOTTER_RATE, channel by channel. The middle of a long clip
   is taken, SPOTTER_FRAMES hops or about two thirds of a second; a short one lies in the middle of silence.

   Samples should be as loud as in training: the words of the course's digits peak between a quarter of full scale and
   all of it, half of them above 0.58. Of a hundred by new voices all are named right, and all when they are 10 dB
   softer; at 20 dB 78, at 30 dB 41, at 40 dB 13, little more than by chance. */
void spotter_features(const int16_t *samples, long n, uint8_t features[SPOTTER_MELS * SPOTTER_FRAMES]);

/* A score for each of spotter_labels, in 256ths of a logit. Returns the place of the largest, the first of equals.

   It always answers with one of its labels, to silence and noise as well, for it has learnt nothing else. Whether a
   word was said must be decided before: by a threshold for the level, or a detector of voices. */
int spotter_classify(const uint8_t features[SPOTTER_MELS * SPOTTER_FRAMES], int32_t scores[SPOTTER_CLASSES]);

#endif
