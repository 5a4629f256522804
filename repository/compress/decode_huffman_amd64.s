//go:build gc && !purego

#include "go_asm.h"
#include "textflag.h"

// R8 to R11   bits of the four streams, the next ones highest
// R12 to R15  how many there are, in the lowest byte
// DI          where the literals of the first stream go
// SI          how far the next stream's are from there
// BP          where those of the fourth go
// BX          entries
// CX          64, less the length of the longest code

#define STREAM(n, field) (huffmanReader_streams+n*literalStream__size+field)

// BEGIN takes up a stream at the bit where it is, of which there are 56 before
// it at least: AX is the reader.
#define BEGIN(n, word, have, from, least) \
	MOVQ  STREAM(n, literalStream_coded)(AX), SI  \
	MOVQ  SI, least                 \
	MOVQ  STREAM(n, literalStream_bits)(AX), have \
	MOVQ  have, DX                  \
	SHRQ  $3, DX                    \
	LEAQ  -7(SI)(DX*1), SI          \
	MOVQ  SI, from                  \
	ANDL  $7, have                  \
	ADDL  $56, have                 \
	MOVL  $64, DX                   \
	SUBL  have, DX                  \
	SHLXQ DX, (SI), word

// FILL makes the bits of a stream 56 at least. The stream is given up where that
// begins to take bytes from before it, of which there are 8 at least.
#define FILL(word, have, from, least) \
	MOVBLZX have, have  \
	MOVQ    from, AX    \
	MOVQ    -8(AX), DX  \
	SHRXQ   have, DX, DX \
	ORQ     DX, word    \
	MOVQ    have, DX    \
	XORQ    $63, DX     \
	SHRQ    $3, DX      \
	SUBQ    DX, AX      \
	ORQ     $56, have   \
	MOVQ    AX, from    \
	CMPQ    AX, least   \
	JCS     end

// LITERAL reads one.
#define LITERAL(word, have, to) \
	SHRXQ   CX, word, AX       \
	MOVWLZX (BX)(AX*2), AX     \
	SHLXQ   AX, word, word     \
	SUBQ    AX, have           \
	SHRL    $8, AX             \
	MOVB    AX, to

// FINISH notes where a stream is: AX is the reader.
#define FINISH(n, have, from) \
	MOVBLZX have, have              \
	MOVQ    from, DX                \
	SUBQ    STREAM(n, literalStream_coded)(AX), DX \
	LEAQ    (have)(DX*8), DX        \
	MOVQ    DX, STREAM(n, literalStream_bits)(AX)

#define FOUR(n) \
	LITERAL(R8, R12, n(DI))       \
	LITERAL(R9, R13, n(DI)(SI*1)) \
	LITERAL(R10, R14, n(DI)(SI*2)) \
	LITERAL(R11, R15, n(BP))

// func readStreamsFast(h *huffmanReader, rounds int) (done int)
TEXT ·readStreamsFast(SB), NOSPLIT, $72-24
	MOVQ h+0(FP), AX
	BEGIN(0, R8, R12, from0-8(SP), least0-40(SP))
	BEGIN(1, R9, R13, from1-16(SP), least1-48(SP))
	BEGIN(2, R10, R14, from2-24(SP), least2-56(SP))
	BEGIN(3, R11, R15, from3-32(SP), least3-64(SP))
	MOVQ STREAM(0, literalStream_literals)(AX), DI
	MOVQ STREAM(1, literalStream_literals)(AX), SI
	SUBQ DI, SI
	MOVQ STREAM(3, literalStream_literals)(AX), BP
	LEAQ huffmanReader_entries(AX), BX
	MOVL $64, CX
	SUBQ huffmanReader_log(AX), CX
	MOVQ rounds+8(FP), AX
	MOVQ AX, left-72(SP)

next:
	FILL(R8, R12, from0-8(SP), least0-40(SP))
	FILL(R9, R13, from1-16(SP), least1-48(SP))
	FILL(R10, R14, from2-24(SP), least2-56(SP))
	FILL(R11, R15, from3-32(SP), least3-64(SP))
	FOUR(0)
	FOUR(1)
	FOUR(2)
	FOUR(3)
	FOUR(4)
	ADDQ $const_together, DI
	ADDQ $const_together, BP
	DECQ left-72(SP)
	JNZ  next

end:
	MOVQ h+0(FP), AX
	FINISH(0, R12, from0-8(SP))
	FINISH(1, R13, from1-16(SP))
	FINISH(2, R14, from2-24(SP))
	FINISH(3, R15, from3-32(SP))
	MOVQ rounds+8(FP), AX
	SUBQ left-72(SP), AX
	MOVQ AX, done+16(FP)
	RET

// func readStreamFast(h *huffmanReader, rounds int) (done int)
TEXT ·readStreamFast(SB), NOSPLIT, $72-24
	MOVQ h+0(FP), AX
	BEGIN(0, R8, R12, from0-8(SP), least0-40(SP))
	MOVQ STREAM(0, literalStream_literals)(AX), DI
	LEAQ huffmanReader_entries(AX), BX
	MOVL $64, CX
	SUBQ huffmanReader_log(AX), CX
	MOVQ rounds+8(FP), AX
	MOVQ AX, left-72(SP)

next:
	FILL(R8, R12, from0-8(SP), least0-40(SP))
	LITERAL(R8, R12, 0(DI))
	LITERAL(R8, R12, 1(DI))
	LITERAL(R8, R12, 2(DI))
	LITERAL(R8, R12, 3(DI))
	LITERAL(R8, R12, 4(DI))
	ADDQ $const_together, DI
	DECQ left-72(SP)
	JNZ  next

end:
	MOVQ h+0(FP), AX
	FINISH(0, R12, from0-8(SP))
	MOVQ rounds+8(FP), AX
	SUBQ left-72(SP), AX
	MOVQ AX, done+16(FP)
	RET
