//go:build gc && !purego

#include "go_asm.h"
#include "textflag.h"

// SI  plaintext              R11 last offset
// DI  place                  R12 shift to a long hash
// R8  long table             R13 where the literals begin
// R9  short table            R14 shift to a short hash
// R10 base of entries        R15 candidate, then where the match is
//
// What is needed seldom is on the stack.

// HASH makes the hash of the word in a register.
#define HASH(prime, shift, word) \
	IMULQ prime, word \
	SHRXQ shift, word, word

// CANDIDATE makes an entry of a table a place, but DX, which is zero, if none
// before DI, or with CMOVLHI none up to DI, was entered for this plaintext.
#define CANDIDATE(entry, unless) \
	SUBL R10, entry \
	CMPL entry, DI  \
	unless DX, entry

// EQUAL32 compares the 32 bytes at two places; the flags say zero if all are
// equal, and n, which has no bit then, where the first is that is not.
#define EQUAL32(at, from, n) \
	VMOVDQU   (SI)(at*1), Y0       \
	VPCMPEQB  (SI)(from*1), Y0, Y0 \
	VPMOVMSKB Y0, n                \
	XORL      $0xffffffff, n

// func findFast(s *searcher)
TEXT ·findFast(SB), NOSPLIT, $64-8
	MOVQ s+0(FP), BX
	MOVQ searcher_plain(BX), SI
	MOVQ searcher_start(BX), DI
	MOVQ searcher_end(BX), AX
	MOVQ AX, end-8(SP)
	SUBQ $const_endMargin, AX
	MOVQ AX, limit-16(SP)
	SUBQ $(32-const_endMargin), AX
	MOVQ AX, limit32-24(SP)
	MOVQ searcher_sequences(BX), AX
	MOVQ AX, sequences-32(SP)
	MOVQ searcher_recent(BX), R11
	MOVQ (searcher_recent+8)(BX), AX
	MOVQ AX, before-40(SP)
	MOVQ $const_longPrime, AX
	MOVQ AX, longPrime-48(SP)
	MOVQ searcher_shortPrime(BX), AX
	MOVQ AX, shortPrime-56(SP)
	MOVQ searcher_long(BX), R8
	MOVQ searcher_short(BX), R9
	MOVL searcher_base(BX), R10
	MOVQ searcher_longShift(BX), R12
	MOVQ searcher_shortShift(BX), R14
	MOVQ DI, R13
	// Before the first byte there is nothing.
	XORL AX, AX
	CMPQ DI, $1
	ADCQ AX, DI
	CMPQ DI, limit-16(SP)
	JGT  done

search:
	MOVQ (SI)(DI*1), AX
	MOVQ AX, BX
	HASH(longPrime-48(SP), R12, BX)
	MOVQ AX, CX
	HASH(shortPrime-56(SP), R14, CX)
	LEAL (DI)(R10*1), DX
	MOVL (R8)(BX*4), R15
	MOVL DX, (R8)(BX*4)
	MOVL (R9)(CX*4), BX
	MOVL DX, (R9)(CX*4)

	// All candidates are looked at before one jump, since a CPU cannot guess
	// which it will be. CX is zero if the last offset fits, one byte on.
	MOVQ DI, DX
	SUBQ R11, DX
	MOVQ AX, CX
	SHRQ $8, CX
	XORL 1(SI)(DX*1), CX
	XORL DX, DX
	CANDIDATE(R15, CMOVLCC)
	CANDIDATE(BX, CMOVLCC)

	// BX becomes the one that fits, and AX zero if there is one.
	MOVQ (SI)(R15*1), DX
	XORQ AX, DX
	XORL (SI)(BX*1), AX
	TESTQ DX, DX
	CMOVQEQ R15, BX
	CMOVQEQ DX, AX
	TESTL CX, CX
	CMOVLEQ CX, AX
	TESTL AX, AX
	JEQ  one

	MOVQ DI, CX
	SUBQ R13, CX
	SHRQ $const_skipAfter, CX
	LEAQ 1(DI)(CX*1), DI
	CMPQ DI, limit-16(SP)
	JLE  search
	JMP  done

one:
	// One byte on, there may be a longer one; but the last offset goes first.
	MOVQ 1(SI)(DI*1), AX
	MOVQ AX, R15
	HASH(longPrime-48(SP), R12, R15)
	MOVQ BX, candidate-64(SP)
	MOVL (R8)(R15*4), BX
	LEAL 1(DI)(R10*1), DX
	MOVL DX, (R8)(R15*4)
	XORL DX, DX
	CANDIDATE(BX, CMOVLHI)
	CMPQ AX, (SI)(BX*1)
	LEAQ 1(DI), AX
	MOVQ AX, DX
	MOVQ candidate-64(SP), R15
	CMOVQEQ BX, R15
	CMOVQEQ AX, DI
	SUBQ R11, DX
	TESTL CX, CX
	CMOVQEQ DX, R15
	CMOVQEQ AX, DI

found:
	// CX is going to be how far it is equal.
	CMPQ DI, limit32-24(SP)
	JGT  nearEnd
	EQUAL32(DI, R15, CX)
	JZ   longer32
	TZCNTL CX, CX

counted:
	// BX is what comes next, and BX-CX stays this place.
	LEAQ (DI)(CX*1), BX

backwards:
	MOVQ DI, DX
	SUBQ R13, DX
	CMPQ R15, $8
	JLT  nearStart
	MOVQ -8(SI)(DI*1), AX
	XORQ -8(SI)(R15*1), AX
	BSWAPQ AX
	TZCNTQ AX, AX
	SHRQ $3, AX
	CMPQ AX, DX
	CMOVQGT DX, AX
	SUBQ AX, DI
	SUBQ AX, R15
	CMPQ AX, $8
	JEQ  backwards

add:
	MOVQ sequences-32(SP), DX
	MOVQ DI, AX
	SUBQ R13, AX
	MOVL AX, sequence_literals(DX)
	MOVQ BX, AX
	SUBQ DI, AX
	SUBQ $const_minMatch, AX
	MOVL AX, sequence_match(DX)
	SUBQ R15, DI
	MOVL DI, sequence_offset(DX)
	ADDQ $sequence__size, DX
	MOVQ DX, sequences-32(SP)

	// Only another offset becomes the last one.
	MOVQ before-40(SP), DX
	CMPQ DI, R11
	CMOVQNE R11, DX
	MOVQ DX, before-40(SP)
	MOVQ DI, R11

	MOVQ BX, DI
	MOVQ BX, R13
	CMPQ DI, limit-16(SP)
	JGT  done

	// Some places of the match take their seats.
	SUBQ CX, BX
	MOVQ 2(SI)(BX*1), AX
	MOVQ AX, CX
	HASH(longPrime-48(SP), R12, CX)
	HASH(shortPrime-56(SP), R14, AX)
	LEAL 2(BX)(R10*1), DX
	MOVL DX, (R8)(CX*4)
	MOVL DX, (R9)(AX*4)
	MOVQ -2(SI)(DI*1), AX
	MOVQ AX, CX
	SHRQ $8, CX
	HASH(longPrime-48(SP), R12, AX)
	HASH(shortPrime-56(SP), R14, CX)
	LEAL -2(DI)(R10*1), DX
	MOVL DX, (R8)(AX*4)
	INCL DX
	MOVL DX, (R9)(CX*4)

	// The offset before the last one, right here.
	MOVQ DI, R15
	SUBQ before-40(SP), R15
	MOVL (SI)(DI*1), AX
	CMPL AX, (SI)(R15*1)
	JEQ  found
	JMP  search

longer32:
	MOVL $32, CX

longer:
	LEAQ (DI)(CX*1), DX
	CMPQ DX, limit32-24(SP)
	JGT  byBytes
	LEAQ (R15)(CX*1), AX
	EQUAL32(DX, AX, BX)
	JNZ  last
	ADDQ $32, CX
	JMP  longer

last:
	TZCNTL BX, BX
	ADDQ BX, CX
	JMP  counted

nearEnd:
	XORL CX, CX

byBytes:
	LEAQ (DI)(CX*1), DX
	CMPQ DX, end-8(SP)
	JGE  counted
	LEAQ (R15)(CX*1), AX
	MOVBLZX (SI)(AX*1), AX
	CMPB AX, (SI)(DX*1)
	JNE  counted
	INCQ CX
	JMP  byBytes

nearStart:
	TESTQ R15, R15
	JZ   add
	CMPQ DI, R13
	JLE  add
	MOVBLZX -1(SI)(R15*1), AX
	CMPB AX, -1(SI)(DI*1)
	JNE  add
	DECQ DI
	DECQ R15
	JMP  nearStart

done:
	VZEROUPPER
	MOVQ s+0(FP), BX
	MOVQ R11, searcher_recent(BX)
	MOVQ before-40(SP), AX
	MOVQ AX, (searcher_recent+8)(BX)
	MOVQ R13, searcher_literals(BX)
	MOVQ sequences-32(SP), AX
	SUBQ searcher_sequences(BX), AX
	SHRQ $4, AX
	MOVQ AX, searcher_count(BX)
	RET
