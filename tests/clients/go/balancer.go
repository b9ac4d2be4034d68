package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"

	"k8s.io/client-go/rest"
)

// balancer stands before the group as a load balancer does: each connection goes to the next
// member that takes it.
type balancer struct {
	listener net.Listener
	members  []string
	lock     sync.Mutex
	turn     int
	open     map[net.Conn]bool
}

func newBalancer(g *group) *balancer {
	b := &balancer{listener: must(net.Listen("tcp", "127.0.0.1:0")), open: map[net.Conn]bool{}}
	for _, config := range g.configs {
		b.members = append(b.members, must(url.Parse(config.Host)).Host)
	}
	go func() {
		for {
			client, err := b.listener.Accept()
			if err != nil {
				return
			}
			go b.serve(client)
		}
	}()
	return b
}

// config is that of a client which knows nothing but the balancer.
func (b *balancer) config(g *group) *rest.Config {
	config := g.config(1)
	config.Host = fmt.Sprintf("https://%s", b.listener.Addr())
	return config
}

// move breaks all connections, so that the clients go on at other members.
func (b *balancer) move() {
	b.lock.Lock()
	defer b.lock.Unlock()
	for connection := range b.open {
		connection.Close()
	}
	b.turn++
}

// current is the number, from 1, of the member that has taken the newest connection.
func (b *balancer) current() int {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.turn%len(b.members) + 1
}

func (b *balancer) serve(client net.Conn) {
	member := b.dial()
	if member == nil {
		client.Close()
		return
	}
	b.track(client, member)
	go copyAndClose(member, client)
	copyAndClose(client, member)
	b.lock.Lock()
	defer b.lock.Unlock()
	delete(b.open, client)
	delete(b.open, member)
}

func (b *balancer) track(connections ...net.Conn) {
	b.lock.Lock()
	defer b.lock.Unlock()
	for _, connection := range connections {
		b.open[connection] = true
	}
}

// dial connects to the current member, or to the next that runs.
func (b *balancer) dial() net.Conn {
	b.lock.Lock()
	defer b.lock.Unlock()
	for range b.members {
		member, err := net.Dial("tcp", b.members[b.turn%len(b.members)])
		if err == nil {
			return member
		}
		b.turn++
	}
	return nil
}

func copyAndClose(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}
