/* The command loop: bytes in, replies out. */
#include "port.h"
#include "protocol.h"

int main(void) {
    pqk_timer_init();
    pqk_uart_init();
    for (;;) {
        int32_t byte = pqk_uart_read();
        if (byte < 0) {
            pqk_uart_wait();
        } else {
            pqk_protocol_receive((uint8_t)byte);
        }
    }
}
