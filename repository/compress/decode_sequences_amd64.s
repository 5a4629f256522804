//go:build gc && !purego

#include "go_asm.h"
#include "textflag.h"

// R8  where the word is that bits are taken from   R14 the word
// CX  bits of it that are to be read               R15 where the match goes
// R9  state of literals, then its next cell        SI  value of the offset
// R10 that of matches                              DX  length of the match
// R11 that of offsets                              BX  number of literals
// R12, R13, BP the last three offsets              DI  where literals go
//
// AX is free. The byte lengths in CX and in the states are used without
// what lies above them in the registers: shifts and BZHI do not look at it.

// WORD reads the word that ends with the last byte of which there are bits to
// be read. Where no such bits are left it may begin in what is before them, but
// no more than 8 bytes.
#define WORD \
	MOVQ CX, AX            \
	SHRQ $3, AX            \
	LEAQ -7(R8)(AX*1), R8  \
	ANDL $7, CX            \
	ORL  $56, CX           \
	CMPQ R8, least-8(SP)   \
	JCS  bad               \
	MOVQ (R8), R14

// VALUE reads what the code of a state stands for, where at says that its bits
// begin.
#define VALUE(at, state, value) \
	SHRXQ at, R14, value      \
	BZHIQ state, value, value \
	RORXQ $const_cellValue, state, R15 \
	ADDL  R15, value

// NEXT makes a state the place of its next cell; AX is where its bits end.
#define NEXT(state) \
	RORXQ $const_cellStateBits, state, CX \
	SUBQ  CX, AX                 \
	SHRXQ AX, R14, R15           \
	BZHIQ CX, R15, R15           \
	SHRQ  $const_cellState, state \
	ADDQ  R15, state

// CELLS reads the cells of the next states.
#define CELLS \
	MOVQ s+0(FP), AX \
	MOVQ (sequenceReader_offsets+cellTable_cells)(AX)(R11*8), R11  \
	MOVQ (sequenceReader_matches+cellTable_cells)(AX)(R10*8), R10 \
	MOVQ (sequenceReader_lengths+cellTable_cells)(AX)(R9*8), R9

// func readSequencesFast(s *sequenceReader) bool
TEXT ·readSequencesFast(SB), NOSPLIT, $64-9
	MOVQ s+0(FP), AX
	MOVQ sequenceReader_stream(AX), R8
	MOVQ sequenceReader_first(AX), BX
	LEAQ -8(R8)(BX*1), BX
	MOVQ BX, least-8(SP)
	MOVQ sequenceReader_bits(AX), CX
	MOVQ CX, BX
	SHRQ $3, BX
	LEAQ -7(R8)(BX*1), R8
	ANDL $7, CX
	ORL  $56, CX
	MOVQ (sequenceReader_states+0)(AX), R9
	MOVQ (sequenceReader_states+8)(AX), R11
	MOVQ (sequenceReader_states+16)(AX), R10
	MOVQ (sequenceReader_recent+0)(AX), R12
	MOVQ (sequenceReader_recent+8)(AX), R13
	MOVQ sequenceReader_plain(AX), DI
	MOVQ DI, plain-16(SP)
	MOVQ sequenceReader_end(AX), BX
	ADDQ DI, BX
	MOVQ BX, end-24(SP)
	ADDQ sequenceReader_at(AX), DI
	MOVQ sequenceReader_window(AX), BX
	MOVQ BX, window-32(SP)
	MOVQ sequenceReader_literals(AX), BX
	MOVQ BX, literals-40(SP)
	ADDQ (sequenceReader_literals+8)(AX), BX
	MOVQ BX, literalsEnd-48(SP)
	MOVQ sequenceReader_count(AX), BX
	MOVQ (sequenceReader_recent+16)(AX), BP
	DECQ BX
	MOVQ BX, left-56(SP)
	JZ   last

next:
	WORD
	// In the order in which the states come, for they are what is waited for.
	MOVQ  CX, AX
	SUBQ  R9, AX
	SUBQ  R10, AX
	SUBQ  R11, AX
	CMPB  AX, $const_mostStateBits
	JLT   long
	SUBQ  R11, CX
	VALUE(CX, R11, SI)
	SUBQ  R10, CX
	VALUE(CX, R10, DX)
	VALUE(AX, R9, BX)

states:
	NEXT(R9)
	NEXT(R10)
	NEXT(R11)
	MOVBLZX AX, CX
	CELLS

copy:
	// The literals.
	LEAQ    (DI)(BX*1), R15
	LEAQ    (R15)(DX*1), R14
	CMPQ    R14, end-24(SP)
	JHI     bad
	MOVQ    literals-40(SP), AX
	VMOVDQU (AX), Y0
	ADDQ    BX, AX
	CMPQ    AX, literalsEnd-48(SP)
	JHI     bad
	VMOVDQU Y0, (DI)
	MOVQ    AX, literals-40(SP)
	CMPQ    BX, $const_copied
	JHI     manyLiterals

offset:
	// Values from 1 are recent offsets; without literals, from 2. No CPU guesses
	// which it will be.
	CMPQ    BX, $1
	MOVQ    SI, AX
	ADCQ    $0, AX
	LEAQ    -1(R12), DI
	LEAQ    -3(SI), BX
	CMPQ    SI, $4
	CMOVQCC BX, DI
	CMPQ    AX, $3
	CMOVQEQ BP, DI
	CMOVQCS R13, DI
	CMOVQCC R13, BP
	CMPQ    AX, $2
	CMOVQCS R12, DI
	CMOVQCC R12, R13
	MOVQ    DI, R12

	// The match.
	CMPQ DI, window-32(SP)
	JHI  bad
	MOVQ R15, AX
	SUBQ DI, AX
	CMPQ AX, plain-16(SP)
	JCS  bad
	CMPQ DI, $16
	JCS  pattern
	VMOVDQU (AX), X1
	VMOVDQU X1, (R15)
	VMOVDQU 16(AX), X1
	VMOVDQU X1, 16(R15)
	CMPQ DX, $const_copied
	JHI  longMatch

done:
	MOVQ R14, DI
	SUBQ $1, left-56(SP)
	JHI  next
	JCS  end

last:
	// No bits follow for the next states.
	MOVQ $~(0xff<<const_cellStateBits), AX
	ANDQ AX, R9
	ANDQ AX, R10
	ANDQ AX, R11
	JMP  next

longMatch:
	MOVL $const_copied, BX

moreMatch:
	VMOVDQU (AX)(BX*1), X1
	VMOVDQU X1, (R15)(BX*1)
	ADDQ    $16, BX
	CMPQ    BX, DX
	JCS     moreMatch
	JMP     done

pattern:
	// 16 bytes that begin with the bytes between, again and again; as many of
	// them are written at a time as are a multiple of the offset, which may still
	// be 0 and wrong.
	TESTQ   DI, DI
	JZ      bad
	VMOVDQU (AX), X1
	LEAQ    ·patterns(SB), AX
	MOVQ    DI, BX
	SHLQ    $4, BX
	VPSHUFB (AX)(BX*1), X1, X1
	LEAQ    ·patternSteps(SB), AX
	MOVBLZX (AX)(DI*1), AX
	XORL    BX, BX

morePattern:
	VMOVDQU X1, (R15)(BX*1)
	ADDQ    AX, BX
	CMPQ    BX, DX
	JCS     morePattern
	JMP     done

manyLiterals:
	SUBQ BX, AX
	MOVL $const_copied, R14

moreLiterals:
	VMOVDQU (AX)(R14*1), Y0
	VMOVDQU Y0, (DI)(R14*1)
	ADDQ    $32, R14
	CMPQ    R14, BX
	JCS     moreLiterals
	LEAQ    (R15)(DX*1), R14
	JMP     offset

long:
	// More bits than a word may have: one word for each value.
	SUBQ    R11, CX
	VALUE(CX, R11, SI)
	MOVBLZX CX, CX
	WORD
	SUBQ    R10, CX
	VALUE(CX, R10, DX)
	MOVBLZX CX, CX
	WORD
	SUBQ    R9, CX
	VALUE(CX, R9, BX)
	MOVBLZX CX, CX
	WORD
	MOVQ    CX, AX
	JMP     states

end:
	MOVQ s+0(FP), AX
	SUBQ sequenceReader_stream(AX), R8
	LEAQ (CX)(R8*8), R8
	MOVQ R8, sequenceReader_bits(AX)
	SUBQ sequenceReader_plain(AX), DI
	MOVQ DI, sequenceReader_at(AX)
	MOVQ R12, (sequenceReader_recent+0)(AX)
	MOVQ R13, (sequenceReader_recent+8)(AX)
	MOVQ BP, (sequenceReader_recent+16)(AX)
	MOVQ literals-40(SP), BX
	SUBQ sequenceReader_literals(AX), BX
	MOVQ BX, sequenceReader_used(AX)
	VZEROUPPER
	MOVB $1, ret+8(FP)
	RET

bad:
	VZEROUPPER
	MOVB $0, ret+8(FP)
	RET
