/* The command loop: bytes in, replies out. */
#include "cache.h"
#include "line.h"
#include "network.h"
#include "port.h"
#include "setup.h"
#include "uart.h"

#if PQK_WITH_AUDIO
#include "audio.h"
#endif

#if PQK_WITH_MLPERF
#include "mlperf.h"
#endif

int main(void) {
    pqk_setup();
    pqk_cache_enable();
    pqk_port_timer_init();
    pqk_uart_begin();
#if PQK_WITH_AUDIO
    pqk_audio_init();
#endif
#if PQK_WITH_MLPERF
    pqk_mlperf_begin();
#endif
    for (;;) {
        int32_t byte = pqk_uart_read();
        if (byte >= 0) {
            pqk_line_receive((uint8_t)byte);
        } else if (pqk_line_idle()) {
            pqk_uart_wait();
        }
    }
}
