// Another program that uses holdfast's repository engine. It is a module of
// its own, as yours would be: it sees the public packages and nothing else.
module example.com/letters

go 1.26.0

require holdfast v0.0.0

require (
	github.com/edsrzf/mmap-go v1.2.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace holdfast => ../..
