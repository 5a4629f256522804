//go:build gc && !purego

#include "textflag.h"

// The compression function of SHA-256 (FIPS 180-4, section 6.2.2) by the
// CPU's own instructions, for one message and for two at a time. Each of these
// instructions waits for the one before it; those of a second message fill the
// gaps.
//
// A state is kept as the instructions want it: the words F, E, B, A in one
// register, H, G, D, C in the other.

// ROUNDS does four rounds, with the constants at offset k and the words of the
// message in cur. X0 is what SHA256RNDS2 takes without being told.
#define ROUNDS(k, cur, feba, hgdc) \
	VPADDD      k(AX), cur, X0 \
	SHA256RNDS2 X0, feba, hgdc \
	PSHUFD      $0x0E, X0, X0  \
	SHA256RNDS2 X0, hgdc, feba

// NEXT completes the words of the message that follow cur; prev are those
// before it.
#define NEXT(prev, cur, next, tmp) \
	VPALIGNR   $4, prev, cur, tmp \
	PADDL      tmp, next          \
	SHA256MSG2 cur, next

#define ROUNDS_A(k, cur) ROUNDS(k, cur, X1, X2)
#define ROUNDS_B(k, cur) ROUNDS(k, cur, X8, X9)
#define NEXT_A(prev, cur, next) NEXT(prev, cur, next, X7)
#define NEXT_B(prev, cur, next) NEXT(prev, cur, next, X14)

#define LOAD(from, to) \
	MOVOU  from, to \
	PSHUFB X15, to

// STEP does four rounds of the first message and prepares eight ahead;
// STEP_TWO does so for both. a and b name the same words of each.
#define STEP_A(k, prev, cur, next) \
	ROUNDS_A(k, cur)        \
	NEXT_A(prev, cur, next) \
	SHA256MSG1 cur, prev

#define STEP_B(k, prev, cur, next) \
	ROUNDS_B(k, cur)        \
	NEXT_B(prev, cur, next) \
	SHA256MSG1 cur, prev

// func blocks(state *[8]uint32, p *byte, n int)
TEXT ·blocks(SB), NOSPLIT, $32-24
	MOVQ  state+0(FP), DI
	MOVQ  p+8(FP), SI
	MOVQ  n+16(FP), CX
	LEAQ  ·constants(SB), AX
	MOVOU ·bigEndian(SB), X15
	MOVOU 0(DI), X1
	MOVOU 16(DI), X2

one:
	MOVOU X1, 0(SP)
	MOVOU X2, 16(SP)

	LOAD(0(SI), X3)
	ROUNDS_A(0, X3)
	LOAD(16(SI), X4)
	ROUNDS_A(16, X4)
	SHA256MSG1 X4, X3
	LOAD(32(SI), X5)
	ROUNDS_A(32, X5)
	SHA256MSG1 X5, X4
	LOAD(48(SI), X6)

	STEP_A(48, X5, X6, X3)
	STEP_A(64, X6, X3, X4)
	STEP_A(80, X3, X4, X5)
	STEP_A(96, X4, X5, X6)
	STEP_A(112, X5, X6, X3)
	STEP_A(128, X6, X3, X4)
	STEP_A(144, X3, X4, X5)
	STEP_A(160, X4, X5, X6)
	STEP_A(176, X5, X6, X3)
	STEP_A(192, X6, X3, X4)

	ROUNDS_A(208, X4)
	NEXT_A(X3, X4, X5)
	ROUNDS_A(224, X5)
	NEXT_A(X4, X5, X6)
	ROUNDS_A(240, X6)

	MOVOU 0(SP), X7
	PADDL X7, X1
	MOVOU 16(SP), X7
	PADDL X7, X2

	ADDQ $64, SI
	DECQ CX
	JNZ  one

	MOVOU X1, 0(DI)
	MOVOU X2, 16(DI)
	RET

// func twoBlocks(a, b *[8]uint32, p, q *byte, n int)
TEXT ·twoBlocks(SB), NOSPLIT, $64-40
	MOVQ  a+0(FP), DI
	MOVQ  b+8(FP), R8
	MOVQ  p+16(FP), SI
	MOVQ  q+24(FP), R9
	MOVQ  n+32(FP), CX
	LEAQ  ·constants(SB), AX
	MOVOU ·bigEndian(SB), X15
	MOVOU 0(DI), X1
	MOVOU 16(DI), X2
	MOVOU 0(R8), X8
	MOVOU 16(R8), X9

two:
	MOVOU X1, 0(SP)
	MOVOU X2, 16(SP)
	MOVOU X8, 32(SP)
	MOVOU X9, 48(SP)

	LOAD(0(SI), X3)
	ROUNDS_A(0, X3)
	LOAD(0(R9), X10)
	ROUNDS_B(0, X10)
	LOAD(16(SI), X4)
	ROUNDS_A(16, X4)
	SHA256MSG1 X4, X3
	LOAD(16(R9), X11)
	ROUNDS_B(16, X11)
	SHA256MSG1 X11, X10
	LOAD(32(SI), X5)
	ROUNDS_A(32, X5)
	SHA256MSG1 X5, X4
	LOAD(32(R9), X12)
	ROUNDS_B(32, X12)
	SHA256MSG1 X12, X11
	LOAD(48(SI), X6)
	LOAD(48(R9), X13)

	STEP_A(48, X5, X6, X3)
	STEP_B(48, X12, X13, X10)
	STEP_A(64, X6, X3, X4)
	STEP_B(64, X13, X10, X11)
	STEP_A(80, X3, X4, X5)
	STEP_B(80, X10, X11, X12)
	STEP_A(96, X4, X5, X6)
	STEP_B(96, X11, X12, X13)
	STEP_A(112, X5, X6, X3)
	STEP_B(112, X12, X13, X10)
	STEP_A(128, X6, X3, X4)
	STEP_B(128, X13, X10, X11)
	STEP_A(144, X3, X4, X5)
	STEP_B(144, X10, X11, X12)
	STEP_A(160, X4, X5, X6)
	STEP_B(160, X11, X12, X13)
	STEP_A(176, X5, X6, X3)
	STEP_B(176, X12, X13, X10)
	STEP_A(192, X6, X3, X4)
	STEP_B(192, X13, X10, X11)

	ROUNDS_A(208, X4)
	NEXT_A(X3, X4, X5)
	ROUNDS_B(208, X11)
	NEXT_B(X10, X11, X12)
	ROUNDS_A(224, X5)
	NEXT_A(X4, X5, X6)
	ROUNDS_B(224, X12)
	NEXT_B(X11, X12, X13)
	ROUNDS_A(240, X6)
	ROUNDS_B(240, X13)

	MOVOU 0(SP), X7
	PADDL X7, X1
	MOVOU 16(SP), X7
	PADDL X7, X2
	MOVOU 32(SP), X7
	PADDL X7, X8
	MOVOU 48(SP), X7
	PADDL X7, X9

	ADDQ $64, SI
	ADDQ $64, R9
	DECQ CX
	JNZ  two

	MOVOU X1, 0(DI)
	MOVOU X2, 16(DI)
	MOVOU X8, 0(R8)
	MOVOU X9, 16(R8)
	RET

// func cpuid(leaf uint32) (eax, ebx, ecx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-20
	MOVL leaf+0(FP), AX
	XORL CX, CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	RET
