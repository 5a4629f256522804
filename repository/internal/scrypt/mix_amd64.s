//go:build gc && !purego

#include "textflag.h"

// scryptBlockMix (RFC 7914, section 4) for four lanes that know nothing of
// each other. Each step of Salsa20/8 waits for the one before it; the steps of
// other lanes fill the gaps.
//
// The sixteen words of a block are kept in the order of its diagonals (see
// order in runs.go), so that four words are worked on by one instruction:
//
//	A = 0 5 10 15    B = 4 9 14 3    C = 8 13 2 7    D = 12 1 6 11
//
// A register of 256 bits holds these of two lanes. Y0 to Y3 are A to D of the
// lanes 0 and 1, Y4 to Y7 those of the lanes 2 and 3.

// STEP is to ^= (x + y) <<< left, where right is 32 - left, for all lanes.
#define STEP(left, right, x, y, to, u, v, w) \
	VPADDD x, y, Y8         \
	VPADDD u, v, Y9         \
	VPSLLD $left, Y8, Y10   \
	VPSLLD $left, Y9, Y11   \
	VPSRLD $right, Y8, Y8   \
	VPSRLD $right, Y9, Y9   \
	VPXOR  Y10, to, to      \
	VPXOR  Y11, w, w        \
	VPXOR  Y8, to, to       \
	VPXOR  Y9, w, w

// STEP_512 is STEP where the CPU can rotate (AVX-512VL).
#define STEP_512(left, right, x, y, to, u, v, w) \
	VPADDD x, y, Y8       \
	VPADDD u, v, Y9       \
	VPROLD $left, Y8, Y8  \
	VPROLD $left, Y9, Y9  \
	VPXOR  Y8, to, to     \
	VPXOR  Y9, w, w

// TURN moves the words of x left by one place, y by two, z by three.
#define TURN(x, y, z) \
	VPSHUFD $0x39, x, x \
	VPSHUFD $0x4E, y, y \
	VPSHUFD $0x93, z, z

// TWO_ROUNDS does a round of columns, then one of rows, which are columns when
// B, C and D are turned.
#define TWO_ROUNDS(step) \
	step(7, 25, Y0, Y3, Y1, Y4, Y7, Y5)  \
	step(9, 23, Y1, Y0, Y2, Y5, Y4, Y6)  \
	step(13, 19, Y2, Y1, Y3, Y6, Y5, Y7) \
	step(18, 14, Y3, Y2, Y0, Y7, Y6, Y4) \
	TURN(Y3, Y2, Y1)                     \
	TURN(Y7, Y6, Y5)                     \
	step(7, 25, Y0, Y1, Y3, Y4, Y5, Y7)  \
	step(9, 23, Y3, Y0, Y2, Y7, Y4, Y6)  \
	step(13, 19, Y2, Y3, Y1, Y6, Y7, Y5) \
	step(18, 14, Y1, Y2, Y0, Y5, Y6, Y4) \
	TURN(Y1, Y2, Y3)                     \
	TURN(Y5, Y6, Y7)

#define EIGHT_ROUNDS TWO_ROUNDS(STEP) TWO_ROUNDS(STEP) TWO_ROUNDS(STEP) TWO_ROUNDS(STEP)
#define EIGHT_ROUNDS_512 TWO_ROUNDS(STEP_512) TWO_ROUNDS(STEP_512) TWO_ROUNDS(STEP_512) TWO_ROUNDS(STEP_512)

// Where the pointers of a mix lie: those of the lanes 0 and 1 from here on, of
// 2 and 3 a mixBytes * 2 later.
#define IN  0
#define XOR 8
#define OUT 16
#define MIX 24

// POINT loads the pointers of one kind of two lanes.
#define POINT(kind, lane) \
	MOVQ (lane*MIX+kind)(DI), R8 \
	MOVQ (lane*MIX+MIX+kind)(DI), R9

// TAKE xors four words of two lanes, at AX + at, into to.
#define TAKE(at, to) \
	VMOVDQU     at(R8)(AX*1), X8          \
	VINSERTI128 $1, at(R9)(AX*1), Y8, Y8  \
	VPXOR       Y8, to, to

// SOON fetches what is taken soon: most of it is in no cache.
#define SOON(at) \
	PREFETCHT0 at(R8)(AX*1) \
	PREFETCHT0 at(R9)(AX*1)

#define TAKE_BLOCK(kind) \
	POINT(kind, 0) \
	SOON(256)      \
	TAKE(0, Y0)    \
	TAKE(16, Y1)   \
	TAKE(32, Y2)   \
	TAKE(48, Y3)   \
	POINT(kind, 2) \
	SOON(256)      \
	TAKE(0, Y4)    \
	TAKE(16, Y5)   \
	TAKE(32, Y6)   \
	TAKE(48, Y7)

#define KEEP \
	VMOVDQU Y0, 0(SP)   \
	VMOVDQU Y1, 32(SP)  \
	VMOVDQU Y2, 64(SP)  \
	VMOVDQU Y3, 96(SP)  \
	VMOVDQU Y4, 128(SP) \
	VMOVDQU Y5, 160(SP) \
	VMOVDQU Y6, 192(SP) \
	VMOVDQU Y7, 224(SP)

#define ADD_KEPT \
	VPADDD 0(SP), Y0, Y0   \
	VPADDD 32(SP), Y1, Y1  \
	VPADDD 64(SP), Y2, Y2  \
	VPADDD 96(SP), Y3, Y3  \
	VPADDD 128(SP), Y4, Y4 \
	VPADDD 160(SP), Y5, Y5 \
	VPADDD 192(SP), Y6, Y6 \
	VPADDD 224(SP), Y7, Y7

#define PUT(at, x, from) \
	VMOVDQU      x, at(R8)(BX*1)        \
	VEXTRACTI128 $1, from, at(R9)(BX*1)

#define PUT_BLOCK \
	POINT(OUT, 0)   \
	PUT(0, X0, Y0)  \
	PUT(16, X1, Y1) \
	PUT(32, X2, Y2) \
	PUT(48, X3, Y3) \
	POINT(OUT, 2)   \
	PUT(0, X4, Y4)  \
	PUT(16, X5, Y5) \
	PUT(32, X6, Y6) \
	PUT(48, X7, Y7)

#define CLEAR \
	VPXOR Y0, Y0, Y0 \
	VPXOR Y1, Y1, Y1 \
	VPXOR Y2, Y2, Y2 \
	VPXOR Y3, Y3, Y3 \
	VPXOR Y4, Y4, Y4 \
	VPXOR Y5, Y5, Y5 \
	VPXOR Y6, Y6, Y6 \
	VPXOR Y7, Y7, Y7

#define FIRST(kind) \
	POINT(kind, 0) \
	SOON(0)        \
	SOON(64)       \
	SOON(128)      \
	SOON(192)      \
	POINT(kind, 2) \
	SOON(0)        \
	SOON(64)       \
	SOON(128)      \
	SOON(192)

// BEGIN takes the last block. Blocks of even number come out in the first
// half, of odd number in the second: BX is where, DX the length of a half, CX
// that of all blocks, AX where the block lies that comes next.
#define BEGIN \
	MOVQ mixes+0(FP), DI \
	MOVQ r+8(FP), DX     \
	SHLQ $6, DX          \
	LEAQ (DX)(DX*1), CX  \
	XORQ AX, AX          \
	FIRST(IN)            \
	FIRST(XOR)           \
	LEAQ -64(CX), AX     \
	CLEAR                \
	TAKE_BLOCK(IN)       \
	TAKE_BLOCK(XOR)      \
	XORQ AX, AX

#define BLOCK(rounds) \
	TAKE_BLOCK(IN)  \
	TAKE_BLOCK(XOR) \
	KEEP            \
	rounds          \
	ADD_KEPT

#define TWO_BLOCKS(rounds) \
	BLOCK(rounds)       \
	MOVQ AX, BX         \
	SHRQ $1, BX         \
	PUT_BLOCK           \
	ADDQ $64, AX        \
	BLOCK(rounds)       \
	ADDQ DX, BX         \
	PUT_BLOCK           \
	ADDQ $64, AX

// func mixAVX2(mixes *[lanes]mix, r int)
TEXT ·mixAVX2(SB), 0, $256-16
	BEGIN
blocks:
	TWO_BLOCKS(EIGHT_ROUNDS)
	CMPQ AX, CX
	JB   blocks
	VZEROUPPER
	RET

// func mixAVX512(mixes *[lanes]mix, r int)
TEXT ·mixAVX512(SB), 0, $256-16
	BEGIN
blocks512:
	TWO_BLOCKS(EIGHT_ROUNDS_512)
	CMPQ AX, CX
	JB   blocks512
	VZEROUPPER
	RET
