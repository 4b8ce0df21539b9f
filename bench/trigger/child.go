// SPDX-License-Identifier: Apache-2.0
// A Go server that fills its memory cgroup: at once to -from bytes of the
// group's usage, then, from SIGUSR1 on, at -rate until the kernel kills it. It
// serves net/http/pprof meanwhile. On standard output, times by
// CLOCK_MONOTONIC: "ready", "went NANOSECONDS BYTES" and
// "crossed NANOSECONDS BYTES", which is when usage was last seen below -line.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

// Above what Go packs into spans of many: each is memory of its own.
const piece = 64 << 10

var held [][]byte

func grow() {
	b := make([]byte, piece)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	held = append(held, b)
}

func monotonic() int64 {
	const clockMonotonic = 1
	var t syscall.Timespec
	_, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic,
		uintptr(unsafe.Pointer(&t)), 0)
	if e != 0 {
		log.Fatal(e)
	}
	return t.Nano()
}

// Allocates nothing.
type gauge struct {
	file *os.File
	text [32]byte
}

func (g *gauge) read() int64 {
	n, err := g.file.ReadAt(g.text[:], 0)
	if n == 0 {
		log.Fatal(err)
	}
	bytes := int64(0)
	for _, c := range g.text[:n] {
		if c < '0' || c > '9' {
			break
		}
		bytes = 10*bytes + int64(c-'0')
	}
	return bytes
}

func main() {
	port := flag.Int("port", 0, "to serve on")
	usage := flag.String("usage", "", "the group's memory.usage_in_bytes")
	from := flag.Int64("from", 0, "bytes to have at once")
	line := flag.Int64("line", 0, "bytes of usage that are noted")
	rate := flag.Float64("rate", 0, "bytes a second")
	flag.Parse()

	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.Serve(listener, nil)) }()
	file, err := os.Open(*usage)
	if err != nil {
		log.Fatal(err)
	}
	g := gauge{file: file}
	for g.read() < *from {
		grow()
	}
	start := make(chan os.Signal, 1)
	signal.Notify(start, syscall.SIGUSR1)
	fmt.Println("ready")
	<-start

	went := monotonic()
	first := g.read()
	fmt.Println("went", went, first)
	grown := float64(0)
	crossed := false
	below := went
	for {
		now := monotonic()
		if grown >= *rate*float64(now-went)/1e9 {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		grow()
		grown += piece
		if crossed {
			continue
		}
		if bytes := g.read(); bytes < *line {
			below = now
		} else {
			crossed = true
			fmt.Println("crossed", below, bytes)
		}
	}
}
