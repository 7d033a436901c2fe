/* Packets from expressions: 'ip(dst=192.0.2.2)/tcp(dport=80,flags=S)/"text"'.
 *
 * The protocol tables (field.h) say where each value goes, what it is by default and what it is
 * computed from. What an expression gives is kept, wrong values included; the rest is derived. */
#ifndef LAYER4_PACKET_H
#define LAYER4_PACKET_H

#include <stdbool.h>
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
/* Fields whose place depends on another field: those of icmp(type=5). A form is chosen by the value
 * of the field `by`; naming one of its fields chooses it too, and gives `by` its first value and
 * "code" the value of code, unless the expression gives those. */
struct l4_craft_form {
	const char *proto;
	const char *by;    /* short name of the field that chooses; NULL: holds for every header */
	uint8_t values[4]; /* of that field */
	uint8_t n_values;
	int16_t code;                  /* value of the field "code" that goes with it; -1: none */
	uint16_t header_bits;          /* fixed header of this form */
	bool on_demand;                /* chosen by its fields only */
	const char *list;              /* a list that chooses it as its fields do, or NULL */
	const struct l4_field *fields; /* name, place, default; label and names of values are those
					  of the row of that name in the table */
	uint16_t n_fields;
};
/* The forms of a protocol by index, in no order. NULL: there are no more. */
L4_EXPORT const struct l4_craft_form *l4_craft_form(const struct l4_proto *p, size_t index);

/* What may stand in a list of a layer: options=[mss(1460)], an=[a(example.test,192.0.2.1)]. */
struct l4_craft_option {
	const char *proto;
	const char *list;   /* "options", "an", ... */
	const char *name;   /* "mss"; empty: a plain value */
	uint32_t kind;      /* its number on the wire */
	uint8_t style;      /* how kind and length are written; internal */
	uint8_t flag;       /* bit of the header that tells of it, from 1; 0: none */
	const char *format; /* of its values, internal */
	const char *args;   /* what they are called, "tsval,tsecr": the last parts of rows
			     * of the table, where they have one */
	const char *title;  /* what it is, for people */
};
/* The options of a protocol by index. NULL: there are no more. */
L4_EXPORT const struct l4_craft_option *l4_craft_option(const struct l4_proto *p, size_t index);

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
/* The n-th field (from 0) that has more than one value, or a drawn one; its layer is stored if
 * layer is not NULL. NULL: there are not so many. */
L4_EXPORT const struct l4_field *l4_craft_varied(
    const struct l4_craft_expr *x, uint32_t n, uint32_t *layer);

/* ---- reading fields ---- */

enum { L4_CRAFT_LAYERS = 16 };

/* The layers of a packet, found by the tables alone: no context, no allocation, no reassembly. The
 * bytes are borrowed. What stands behind the last layer found is payload. */
struct l4_craft_packet {
	const uint8_t *data;
	uint32_t n; /* bytes */
	uint32_t n_layers;
	struct {
		const struct l4_proto *proto;
		uint32_t at, header; /* bytes from the packet's start; header with its options */
		uint32_t end;        /* where its length says that it ends, at most n */
	} layers[L4_CRAFT_LAYERS];
};

/* Finds the layers of n bytes with this link type (enum l4_linktype) and returns how many; 0: none
 * is known, or the first is cut off. */
L4_EXPORT uint32_t l4_craft_read(
    struct l4_craft_packet *p, uint16_t linktype, const void *data, size_t n);
/* Reads a field by protocol and name as expressions have them: "tcp.dport", "ip6.hlim",
 * "icmp.mtu", "tcp.tsval" (of the first option that has it). The first layer of that protocol
 * counts. Up to 64 bits, host order. Returns 0; L4_ENOTFOUND: no such layer, field or option here;
 * L4_EINVAL: wider than 64 bits. */
L4_EXPORT int l4_craft_get(const struct l4_craft_packet *p, const char *field, uint64_t *value);
/* The same of a field of whole bytes, as it stands in the packet: addresses, texts. NULL: not here.
 * *n is set to its length, bytes. */
L4_EXPORT const uint8_t *l4_craft_bytes(
    const struct l4_craft_packet *p, const char *field, size_t *n);
/* What stands behind the innermost layer, up to the end that the layers say. Never NULL. */
L4_EXPORT const uint8_t *l4_craft_payload(const struct l4_craft_packet *p, size_t *n);

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
