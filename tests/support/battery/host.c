/* Runs the case whose number is given. For each clip and step, the input's first, prints the number
 * of damaged bytes, whether the checksum is right, and what was written. */
#include <stdio.h>
#include <stdlib.h>

#include "battery.h"
#include "cases.h"

int main(int count, char **arguments) {
    const long number = count == 2 ? strtol(arguments[1], NULL, 10) : -1;
    if (number < 0 || number >= (long)BATTERY_CASES) {
        return 2;
    }
    const battery_case *test = battery_cases[number];
    for (uint32_t clip = 0; clip < test->clip_count; clip++) {
        for (uint32_t step = 0; step < test->step_count; step++) {
            const battery_result result = battery_run(test, clip, step);
            fwrite(&result.damaged, sizeof result.damaged, 1, stdout);
            fwrite(&result.is_right, sizeof result.is_right, 1, stdout);
            fwrite(result.written, 1, result.size, stdout);
        }
    }
    return 0;
}
