/* Packets from expressions: 'ip(dst=192.0.2.2)/tcp(dport=80,flags=S)/"text"'.
 *
 * The protocol tables (field.h) say where each value goes, what it is by default and what it is
 * computed from. What an expression gives is kept, wrong values included; the rest is derived. */
#ifndef LAYER4_PACKET_H
#define LAYER4_PACKET_H

#include <stddef.h>
#include <stdint.h>
#include <layer4/field.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names ---- */

/* A protocol by its name in the tables or in expressions ("ipv6", "ip6"). NULL: unknown. */
L4_EXPORT const struct l4_proto *l4_craft_proto(const char *name);
/* A field that can be written, by alias ("dport"), name within the protocol ("flags.ack") or last
 * part ("dstport"). NULL: unknown, or has no fixed place. */
L4_EXPORT const struct l4_field *l4_craft_field(const struct l4_proto *p, const char *name);
/* Writes up to three names near to `wanted`, as "tcp, udp", NUL-terminated: of fields of p, or of
 * protocols when p is NULL. Returns the length; 0: nothing is near. */
L4_EXPORT size_t l4_craft_nearest(
    const struct l4_proto *p, const char *wanted, char *out, size_t cap);

/* ---- building ---- */

struct l4_craft_expr;

/* Where an expression is wrong. */
struct l4_craft_error {
	uint32_t column; /* from 1, bytes */
	char text[240];  /* what was found and what was expected; NUL-terminated */
};

/* Gives the bytes of file(path): at most cap into buf; returns how many, or a negative L4_E*. */
typedef int64_t l4_craft_load_fn(void *ctx, const char *path, void *buf, size_t cap);

/* Reads an expression. load may be NULL: then file() is an error. Returns 0 and gives *out, to be
 * freed with l4_craft_free; L4_EMALFORMED: *err says where and why; L4_ENOMEM. */
L4_EXPORT int l4_craft_parse(struct l4_craft_expr **out, const char *text, l4_craft_load_fn *load,
    void *ctx, struct l4_craft_error *err);
L4_EXPORT void l4_craft_free(struct l4_craft_expr *x);
/* How many packets the sets of values make; UINT64_MAX: that many or more. */
L4_EXPORT uint64_t l4_craft_count(const struct l4_craft_expr *x);
/* Link type (enum l4_linktype) of the first layer; L4_LINK_UNKNOWN: it has none (tcp alone). */
L4_EXPORT uint16_t l4_craft_linktype(const struct l4_craft_expr *x);
/* Builds packet number `index` (from 0; the last set changes fastest) into buf and sets *len,
 * bytes. What is random comes from seed and index alone. Returns 0; L4_ENOTFOUND: no such index;
 * L4_EMSGSIZE: more than cap bytes. */
L4_EXPORT int l4_craft_build(const struct l4_craft_expr *x, uint64_t index, uint64_t seed,
    void *buf, size_t cap, size_t *len);

/* ---- what an expression leaves open ---- */

/* The number of layers, and the protocol of one of them, from the outermost (0). NULL: it has no
 * table (text, raw(), file(), pad()), or there is no such layer. */
L4_EXPORT uint32_t l4_craft_layers(const struct l4_craft_expr *x);
L4_EXPORT const struct l4_proto *l4_craft_layer(const struct l4_craft_expr *x, uint32_t layer);
/* Whether the expression gives this field of a layer a value (by a name as l4_craft_field takes).
 * 1: yes, or fuzz() draws it; 0: it is open; L4_ENOTFOUND: no such layer or field. */
L4_EXPORT int l4_craft_given(const struct l4_craft_expr *x, uint32_t layer, const char *field);
/* Gives an open field a single value, as text of an expression ("192.0.2.1"), in all packets built
 * from now on. Returns 0; L4_ENOTFOUND: no such layer or field; L4_EINVAL: it is given already, or
 * the text is no single value for it; L4_ENOMEM. */
L4_EXPORT int l4_craft_fill(
    struct l4_craft_expr *x, uint32_t layer, const char *field, const char *value);

/* ---- reading back ---- */

/* Writes the expression that builds these n bytes of a packet with this link type
 * (enum l4_linktype), NUL-terminated, and returns its length. Fields that would be derived or
 * defaulted to the same are left out; what the tables cannot say is raw(hex=...). Returns
 * L4_EMSGSIZE: the text has more than cap bytes (4 n + 4096 are enough); L4_ENOMEM. */
L4_EXPORT int64_t l4_craft_text(
    uint16_t linktype, const void *data, size_t n, char *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
