package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const membersCount = 3

// group is all members, each with a client that knows it alone.
type group struct {
	configs []*rest.Config
	clients []*kubernetes.Clientset
	turn    int
	answers *bufio.Scanner
}

// openGroup reads a kubeconfig whose contexts are named after the members.
func openGroup(kubeconfig string) *group {
	g := &group{answers: bufio.NewScanner(os.Stdin)}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}
	for i := 1; i <= membersCount; i++ {
		context := &clientcmd.ConfigOverrides{CurrentContext: fmt.Sprintf("node-%d", i)}
		config := must(clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, context).ClientConfig())
		// Tests do not wait for the client's own brake.
		config.QPS, config.Burst = 500, 500
		g.configs = append(g.configs, config)
		g.clients = append(g.clients, must(kubernetes.NewForConfig(config)))
	}
	return g
}

// config is a copy of what a client of member i, from 1, is configured with.
func (g *group) config(i int) *rest.Config {
	return rest.CopyConfig(g.configs[i-1])
}

// on is a client of member i, from 1.
func (g *group) on(i int) *kubernetes.Clientset {
	return g.clients[i-1]
}

// next is a client of another member than the last.
func (g *group) next() *kubernetes.Clientset {
	return g.clients[g.nextIndex()-1]
}

func (g *group) nextIndex() int {
	g.turn = g.turn%membersCount + 1
	return g.turn
}

// ask has the test do something to the group and waits until it is done.
func (g *group) ask(request string) string {
	fmt.Println("ask: " + request)
	if !g.answers.Scan() {
		panic("the test does not answer: " + request)
	}
	return g.answers.Text()
}

// kill ends a member without warning.
func (g *group) kill(i int) {
	g.ask(fmt.Sprintf("kill %d", i))
}

// startMissing starts what was killed and waits until it is ready.
func (g *group) startMissing() {
	g.ask("start")
}

func (g *group) leader() int {
	return must(strconv.Atoi(g.ask("leader")))
}

// others are the members besides i.
func others(i int) (int, int) {
	return i%membersCount + 1, (i+1)%membersCount + 1
}
