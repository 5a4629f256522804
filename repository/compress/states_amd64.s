//go:build gc && !purego

#include "go_asm.h"
#include "textflag.h"

// SI  sequence             R10 state of offsets, R13 its table
// DI  where bytes go       R11 state of matches, R14 its table
// R8  bits held            R12 state of literals, R15 its table
// R9  how many

// PUT holds the lowest n bits of a value.
#define PUT(n, value) \
	BZHIL n, value, DX \
	SHLXQ R9, DX, DX   \
	ORQ   DX, R8       \
	ADDL  n, R9

// STEP writes what the code at offset field makes of a state.
#define STEP(field, table, state) \
	MOVBLZX field(SI), AX                     \
	MOVQ    fseTable_change(table)(AX*8), BX  \
	LEAL    (state)(BX*1), CX                 \
	SHRL    $16, CX                           \
	PUT(CX, state)                            \
	SHRXL   CX, state, state                  \
	SARQ    $32, BX                           \
	ADDQ    BX, state                         \
	MOVWLZX fseTable_next(table)(state*2), state

// REST writes what a code leaves open of a length.
#define REST(code, bits, field) \
	MOVBLZX code(SI), AX     \
	LEAQ    bits(SB), BX     \
	MOVBLZX (BX)(AX*1), CX   \
	MOVL    field(SI), AX    \
	PUT(CX, AX)

#define FLUSH \
	MOVQ  R8, (DI)   \
	MOVL  R9, AX     \
	SHRL  $3, AX     \
	ADDQ  AX, DI     \
	MOVL  R9, AX     \
	ANDL  $0x38, AX  \
	SHRXQ AX, R8, R8 \
	ANDL  $7, R9

// func writeStatesFast(w *stateWriter)
TEXT ·writeStatesFast(SB), NOSPLIT, $8-8
	MOVQ w+0(FP), AX
	MOVQ (stateWriter_sequences+8)(AX), SI
	MOVQ SI, left-8(SP)
	DECQ SI
	SHLQ $4, SI
	ADDQ stateWriter_sequences(AX), SI
	MOVQ stateWriter_room(AX), DI
	MOVQ (stateWriter_bits+bitWriter_held)(AX), R8
	MOVQ (stateWriter_bits+bitWriter_n)(AX), R9
	ADDQ (stateWriter_bits+bitWriter_at)(AX), DI
	MOVL (stateWriter_states+0)(AX), R10
	MOVL (stateWriter_states+4)(AX), R11
	MOVL (stateWriter_states+8)(AX), R12
	MOVQ (stateWriter_tables+0)(AX), R13
	MOVQ (stateWriter_tables+8)(AX), R14
	MOVQ (stateWriter_tables+16)(AX), R15

next:
	STEP(sequence_offsetCode, R13, R10)
	STEP(sequence_matchCode, R14, R11)
	STEP(sequence_literalsCode, R15, R12)
	FLUSH
	REST(sequence_literalsCode, ·literalsBits, sequence_literals)
	REST(sequence_matchCode, ·matchBits, sequence_match)
	MOVBLZX sequence_offsetCode(SI), CX
	MOVL    sequence_offset(SI), AX
	PUT(CX, AX)
	FLUSH
	SUBQ $sequence__size, SI
	DECQ left-8(SP)
	JNZ  next

	MOVQ w+0(FP), AX
	SUBQ stateWriter_room(AX), DI
	MOVQ DI, (stateWriter_bits+bitWriter_at)(AX)
	MOVQ R8, (stateWriter_bits+bitWriter_held)(AX)
	MOVQ R9, (stateWriter_bits+bitWriter_n)(AX)
	MOVL R10, (stateWriter_states+0)(AX)
	MOVL R11, (stateWriter_states+4)(AX)
	MOVL R12, (stateWriter_states+8)(AX)
	RET
