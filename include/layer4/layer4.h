/* The whole library. */
#ifndef LAYER4_LAYER4_H
#define LAYER4_LAYER4_H

#include <layer4/addr.h>
#include <layer4/capfile.h>
#include <layer4/checksum.h>
#include <layer4/device.h>
#include <layer4/dissect.h>
#include <layer4/dns.h>
#include <layer4/drill.h>
#include <layer4/drop.h>
#include <layer4/err.h>
#include <layer4/field.h>
#include <layer4/host.h>
#include <layer4/http.h>
#include <layer4/loop.h>
#include <layer4/match.h>
#include <layer4/packet.h>
#include <layer4/sim.h>
#include <layer4/tcp.h>
#include <layer4/time.h>
#include <layer4/trace.h>
#include <layer4/udp.h>
#include <layer4/version.h>
#include <layer4/wire.h>

#endif
