//go:build gc && !purego

#include "textflag.h"

// Poly1305 for four blocks at a time (AVX2). A number is five limbs of 26 bits,
// one in each of Y0 to Y4; each register holds that limb of four numbers, which
// are the sums of every fourth block.

// Where the limbs of a multiplier lie: r0 to r4, then r1 to r4 times five, since
// what goes beyond 2^130 comes back as five times as much at the bottom.
#define R0 0(AX)
#define R1 32(AX)
#define R2 64(AX)
#define R3 96(AX)
#define R4 128(AX)
#define S1 160(AX)
#define S2 192(AX)
#define S3 224(AX)
#define S4 256(AX)

// ADD_BLOCKS adds the next four blocks, in the order 0 2 1 3, each with a bit
// above its last byte. Y14 masks a limb, Y15 is that bit in the last limb.
#define ADD_BLOCKS \
	VMOVDQU     0(SI), Y5     \
	VMOVDQU     32(SI), Y6    \
	VPUNPCKLQDQ Y6, Y5, Y7    \
	VPUNPCKHQDQ Y6, Y5, Y8    \
	VPAND       Y14, Y7, Y5   \
	VPSRLQ      $26, Y7, Y6   \
	VPSRLQ      $52, Y7, Y7   \
	VPSLLQ      $12, Y8, Y9   \
	VPSRLQ      $14, Y8, Y10  \
	VPSRLQ      $40, Y8, Y8   \
	VPOR        Y9, Y7, Y7    \
	VPAND       Y14, Y6, Y6   \
	VPAND       Y14, Y7, Y7   \
	VPAND       Y14, Y10, Y10 \
	VPOR        Y15, Y8, Y8   \
	VPADDQ      Y5, Y0, Y0    \
	VPADDQ      Y6, Y1, Y1    \
	VPADDQ      Y7, Y2, Y2    \
	VPADDQ      Y10, Y3, Y3   \
	VPADDQ      Y8, Y4, Y4    \
	ADDQ        $64, SI

// LIMB adds the products of one limb of all numbers to Y5 to Y9.
#define LIMB(h, m0, m1, m2, m3, m4) \
	VPMULUDQ m0, h, Y10   \
	VPMULUDQ m1, h, Y11   \
	VPMULUDQ m2, h, Y12   \
	VPMULUDQ m3, h, Y13   \
	VPMULUDQ m4, h, h     \
	VPADDQ   Y10, Y5, Y5  \
	VPADDQ   Y11, Y6, Y6  \
	VPADDQ   Y12, Y7, Y7  \
	VPADDQ   Y13, Y8, Y8  \
	VPADDQ   h, Y9, Y9

// MULTIPLY multiplies by what AX points to. Limbs are below 2^32 before, and
// their products below 2^60.
#define MULTIPLY \
	VPMULUDQ R0, Y0, Y5          \
	VPMULUDQ R1, Y0, Y6          \
	VPMULUDQ R2, Y0, Y7          \
	VPMULUDQ R3, Y0, Y8          \
	VPMULUDQ R4, Y0, Y9          \
	LIMB(Y1, S4, R0, R1, R2, R3) \
	LIMB(Y2, S3, S4, R0, R1, R2) \
	LIMB(Y3, S2, S3, S4, R0, R1) \
	LIMB(Y4, S1, S2, S3, S4, R0)

// CARRY leaves limbs of 26 bits, the second and the last a little more. Two
// chains of carries go on at once.
#define CARRY \
	VPSRLQ $26, Y8, Y10   \
	VPSRLQ $26, Y5, Y11   \
	VPAND  Y14, Y8, Y8    \
	VPAND  Y14, Y5, Y5    \
	VPADDQ Y10, Y9, Y9    \
	VPADDQ Y11, Y6, Y6    \
	VPSRLQ $26, Y9, Y10   \
	VPSRLQ $26, Y6, Y11   \
	VPAND  Y14, Y9, Y9    \
	VPAND  Y14, Y6, Y6    \
	VPSLLQ $2, Y10, Y12   \
	VPADDQ Y10, Y5, Y5    \
	VPADDQ Y11, Y7, Y7    \
	VPADDQ Y12, Y5, Y5    \
	VPSRLQ $26, Y7, Y11   \
	VPSRLQ $26, Y5, Y10   \
	VPAND  Y14, Y7, Y2    \
	VPAND  Y14, Y5, Y0    \
	VPADDQ Y11, Y8, Y8    \
	VPADDQ Y10, Y6, Y1    \
	VPSRLQ $26, Y8, Y10   \
	VPAND  Y14, Y8, Y3    \
	VPADDQ Y10, Y9, Y4

// SUM adds the limbs of four numbers; x is the lower half of y.
#define SUM(y, x, to) \
	VEXTRACTI128 $1, y, X10     \
	VPADDQ       X10, x, X11    \
	VPSRLDQ      $8, X11, X12   \
	VPADDQ       X12, X11, X11  \
	VMOVQ        X11, to

// func groups(sum *[5]uint64, m *multipliers, p *byte, n int)
TEXT ·groups(SB), NOSPLIT, $0-32
	MOVQ  sum+0(FP), DI
	MOVQ  m+8(FP), AX
	MOVQ  p+16(FP), SI
	MOVQ  n+24(FP), CX
	MOVQ  $0x3ffffff, BX
	VMOVQ BX, X14
	VPBROADCASTQ X14, Y14
	MOVQ  $0x1000000, BX
	VMOVQ BX, X15
	VPBROADCASTQ X15, Y15
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4

	DECQ CX
	JZ   last

next:
	ADD_BLOCKS
	MULTIPLY
	CARRY
	DECQ CX
	JNZ  next

last:
	ADDQ $288, AX
	ADD_BLOCKS
	MULTIPLY
	CARRY
	SUM(Y0, X0, 0(DI))
	SUM(Y1, X1, 8(DI))
	SUM(Y2, X2, 16(DI))
	SUM(Y3, X3, 24(DI))
	SUM(Y4, X4, 32(DI))
	VZEROUPPER
	RET
