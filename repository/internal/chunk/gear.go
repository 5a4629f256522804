package chunk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// The parameters of the gear method, part of the format
// (docs/format/gear-cutter.md, "Parameters"). They give chunks of about
// 1 MiB, with far fewer very long ones than Rabin's.
const (
	gearMinSize    = 512 * kiB
	gearNormalSize = 768 * kiB
	gearMaxSize    = 4 * miB

	// An end is found where the hash is below a limit: with a chance of 1 in
	// 2^21 up to the normal size, of 1 in 2^18 after it.
	gearStrictLimit = 1 << (64 - 21)
	gearEasyLimit   = 1 << (64 - 18)
)

// gearLabel separates the table's key material from any other use of the
// same secret.
const gearLabel = "holdfast gear cutter v1"

// Gear is a method that looks at each byte once with one table look-up, one
// shift and one addition: a gear hash with normalized chunking, after
// W. Xia et al., "FastCDC", USENIX ATC 2016. It implements Method.
type Gear struct {
	table [256]uint64
}

var _ Method = (*Gear)(nil)

// NewGear returns the method for a repository. The secret, 32 random bytes
// that only holders of the repository's key know, decides the table and with
// it the cut points, so that the sizes of stored chunks say less about known
// files.
func NewGear(secret [32]byte) *Gear {
	g := &Gear{}
	const perSum = sha256.Size / 8
	for i := 0; i < len(g.table); i += perSum {
		mac := hmac.New(sha256.New, secret[:])
		mac.Write([]byte(gearLabel))
		mac.Write([]byte{byte(i / perSum)})
		sum := mac.Sum(nil)
		for j := range perSum {
			g.table[i+j] = binary.LittleEndian.Uint64(sum[8*j:])
		}
	}
	return g
}

// NewCutter returns a cutter at the beginning of a chunk.
func (g *Gear) NewCutter() Cutter { return &gearCutter{table: &g.table} }

// gearCutter scans one chunk. A byte is shifted out of the hash 64 steps
// later, so the hash needs no look at the bytes that leave the window.
type gearCutter struct {
	table  *[256]uint64
	length int    // bytes of the current chunk scanned so far
	hash   uint64 // of the last 64 of them, once past the warm-up
}

func (c *gearCutter) MinSize() int { return gearMinSize }
func (c *gearCutter) MaxSize() int { return gearMaxSize }
func (c *gearCutter) Reset()       { c.length, c.hash = 0, 0 }

// gearWarmUp is the length of a chunk at which hashing begins: 63 bytes are
// hashed, then the one that makes the chunk gearMinSize long is the first
// that may end it.
const gearWarmUp = gearMinSize - windowSize

// Next implements Cutter.
func (c *gearCutter) Next(data []byte) (n int, cut bool) {
	if n = c.skip(data); c.length < gearMinSize-1 {
		return n, false
	}
	for _, phase := range [...]struct {
		until int
		limit uint64
	}{
		{gearNormalSize - 1, gearStrictLimit},
		{gearMaxSize, gearEasyLimit},
	} {
		piece := data[n:min(len(data), max(n, n+phase.until-c.length))]
		scanned, cut := c.scan(piece, phase.limit)
		n += scanned
		if cut {
			c.Reset()
			return n, true
		}
	}
	if c.length == gearMaxSize {
		c.Reset()
		return n, true
	}
	return n, false
}

// skip takes the bytes that cannot end the chunk, hashing the last of them,
// and returns their number.
func (c *gearCutter) skip(data []byte) (n int) {
	n = min(len(data), max(0, gearWarmUp-c.length))
	c.length += n
	warm := data[n:min(len(data), max(n, n+gearMinSize-1-c.length))]
	for _, b := range warm {
		c.hash = c.hash<<1 + c.table[b]
	}
	c.length += len(warm)
	return n + len(warm)
}

// scan looks for a hash below limit in data and returns the number of bytes
// up to it, or all of them.
func (c *gearCutter) scan(data []byte, limit uint64) (n int, cut bool) {
	n, c.hash, cut = gearScan(c.table, data, c.hash, limit)
	c.length += n
	return n, cut
}

// gearScan is scan without a cutter: the loop all data goes through.
func gearScan(table *[256]uint64, data []byte, hash, limit uint64) (n int, last uint64, cut bool) {
	for ; len(data)-n >= 4; n += 4 {
		four := (*[4]byte)(data[n:])
		if hash = hash<<1 + table[four[0]]; hash < limit {
			return n + 1, hash, true
		}
		if hash = hash<<1 + table[four[1]]; hash < limit {
			return n + 2, hash, true
		}
		if hash = hash<<1 + table[four[2]]; hash < limit {
			return n + 3, hash, true
		}
		if hash = hash<<1 + table[four[3]]; hash < limit {
			return n + 4, hash, true
		}
	}
	for ; n < len(data); n++ {
		if hash = hash<<1 + table[data[n]]; hash < limit {
			return n + 1, hash, true
		}
	}
	return n, hash, false
}
