/* The command loop: bytes in, replies out. */
#include "cache.h"
#include "network.h"
#include "port.h"
#include "protocol.h"
#include "setup.h"
#include "uart.h"

#if PQK_AUDIO
#include "audio.h"
#endif

#if PQK_MLPERF
#include "line.h"
#include "mlperf.h"
#endif

static void receive(uint8_t byte) {
#if PQK_MLPERF
    pqk_line_receive(byte);
#else
    pqk_protocol_receive(byte);
#endif
}

static int may_sleep(void) {
#if PQK_MLPERF
    return pqk_line_idle();
#else
    return 1;
#endif
}

int main(void) {
    pqk_setup();
    pqk_cache_enable();
    pqk_timer_init();
    pqk_uart_begin();
#if PQK_AUDIO
    pqk_audio_init();
#endif
#if PQK_MLPERF
    pqk_mlperf_begin();
#endif
    for (;;) {
        int32_t byte = pqk_uart_read();
        if (byte >= 0) {
            receive((uint8_t)byte);
        } else if (may_sleep()) {
            pqk_uart_wait();
        }
    }
}
