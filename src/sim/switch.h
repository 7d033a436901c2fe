/* A learning Ethernet switch between simulated links. Included by src/sim only. */
#ifndef L4_SIM_SWITCH_H
#define L4_SIM_SWITCH_H

#include <layer4/device.h>

struct l4_switch;

struct l4_switch *l4_switch_new(void); /* NULL without memory */
void l4_switch_free(struct l4_switch *w);
/* Takes the device over. Returns 0, L4_ENOMEM, or L4_EINVAL when it is no Ethernet. */
int l4_switch_plug(struct l4_switch *w, struct l4_device *d);
/* Forwards what has arrived; returns whether anything had. */
bool l4_switch_step(struct l4_switch *w, l4_time now);
l4_time l4_switch_deadline(const struct l4_switch *w);

#endif
