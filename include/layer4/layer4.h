/* The whole library. */
#ifndef LAYER4_LAYER4_H
#define LAYER4_LAYER4_H

#include <layer4/addr.h>
#include <layer4/checksum.h>
#include <layer4/device.h>
#include <layer4/err.h>
#include <layer4/host.h>
#include <layer4/sim.h>
#include <layer4/tcp.h>
#include <layer4/time.h>
#include <layer4/trace.h>
#include <layer4/udp.h>
#include <layer4/version.h>

#endif
