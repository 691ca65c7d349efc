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

int main(void) {
    pqk_setup();
    pqk_cache_enable();
    pqk_timer_init();
    pqk_uart_begin();
#if PQK_AUDIO
    pqk_audio_init();
#endif
    for (;;) {
        int32_t byte = pqk_uart_read();
        if (byte < 0) {
            pqk_uart_wait();
        } else {
            pqk_protocol_receive((uint8_t)byte);
        }
    }
}
