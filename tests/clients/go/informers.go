package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// told is an informer's cache and what its handler was told, object by object.
type told struct {
	name     string
	wire     *wire
	informer cache.SharedIndexInformer
	lister   func() []*corev1.ConfigMap
	lock     sync.Mutex
	changes  map[string][]string
}

func (t *told) note(object any, change string) {
	if unknown, isUnknown := object.(cache.DeletedFinalStateUnknown); isUnknown {
		object = unknown.Obj
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	name := object.(*corev1.ConfigMap).Name
	t.changes[name] = append(t.changes[name], change)
}

func (t *told) of(name string) []string {
	t.lock.Lock()
	defer t.lock.Unlock()
	return slices.Clone(t.changes[name])
}

// inform starts an informer for the config maps of this area and waits until it has all.
func inform(ctx context.Context, name string, config *rest.Config) *told {
	t := &told{name: name, wire: listen(config), changes: map[string][]string{}}
	factory := informers.NewSharedInformerFactoryWithOptions(must(kubernetes.NewForConfig(config)), 0,
		informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.LabelSelector = "of=informed" }))
	maps := factory.Core().V1().ConfigMaps()
	t.informer = maps.Informer()
	t.lister = func() []*corev1.ConfigMap { return must(maps.Lister().List(labels.Everything())) }
	must(t.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { t.note(object, "add") },
		UpdateFunc: func(_, object any) { t.note(object, object.(*corev1.ConfigMap).Data["a"]) },
		DeleteFunc: func(object any) { t.note(object, "delete") },
	}))
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return t
}

// live creates, changes and deletes one object, on members of which one is left out.
func live(ctx context.Context, g *group, name string, without int) {
	one, other := others(without)
	must(g.on(one).CoreV1().ConfigMaps(namespace).Create(ctx, configMap(name, "informed", "0"), metav1.CreateOptions{}))
	patch := []byte(`{"data":{"a":"1"}}`)
	must(g.on(other).CoreV1().ConfigMaps(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}))
	ok(g.on(one).CoreV1().ConfigMaps(namespace).Delete(ctx, name, metav1.DeleteOptions{}))
}

const livesEach = 5

func informed(ctx context.Context, g *group) {
	for n := range livesEach {
		name := fmt.Sprintf("before-%d", n)
		must(g.next().CoreV1().ConfigMaps(namespace).Create(ctx, configMap(name, "informed", "0"), metav1.CreateOptions{}))
	}
	step("informers of each member and of a balancer before them have their caches")
	balancer := newBalancer(g)
	watchers := []*told{inform(ctx, "balancer", balancer.config(g))}
	for i := 1; i <= membersCount; i++ {
		watchers = append(watchers, inform(ctx, fmt.Sprintf("node-%d", i), g.config(i)))
	}
	for _, t := range watchers {
		check(len(t.lister()) == livesEach, "%s: %d in the cache", t.name, len(t.lister()))
		check(t.wire.streamedLists == 1 && t.wire.lists == 0, "%s lists by a watch", t.name)
	}

	victim := balancer.current()
	step("they are told each change while node-%d, where the balancer goes, is killed", victim)
	lives := []string{}
	for n := range livesEach {
		lives = append(lives, fmt.Sprintf("while-it-runs-%d", n))
		live(ctx, g, lives[n], victim)
	}
	g.kill(victim)
	for n := range livesEach {
		lives = append(lives, fmt.Sprintf("while-it-is-gone-%d", n))
		live(ctx, g, lives[livesEach+n], victim)
	}
	g.startMissing()
	balancer.move()
	for n := range livesEach {
		lives = append(lives, fmt.Sprintf("when-it-is-back-%d", n))
		live(ctx, g, lives[2*livesEach+n], n%membersCount+1)
	}
	for _, t := range watchers {
		for _, name := range lives {
			eventually(ctx, fmt.Sprintf("%s is told of %s: %v", t.name, name, t.of(name)), func() bool {
				return slices.Equal(t.of(name), []string{"add", "1", "delete"})
			})
		}
		check(len(t.of("before-0")) == 1, "%s: %v", t.name, t.of("before-0"))
		check(t.wire.allLists() == 1, "%s listed %d times instead of resuming", t.name, t.wire.allLists())
	}
	step("and their caches are what each member lists")
	for i, t := range watchers {
		list := must(g.on(i%membersCount+1).CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{LabelSelector: "of=informed"}))
		cached := t.lister()
		check(len(cached) == len(list.Items), "%s: %d instead of %d", t.name, len(cached), len(list.Items))
		for n := range list.Items {
			object, found, err := t.informer.GetStore().GetByKey(namespace + "/" + list.Items[n].Name)
			check(err == nil && found, "%s misses %s", t.name, list.Items[n].Name)
			check(equality.Semantic.DeepEqual(object, &list.Items[n]), "%s: %v", t.name, object)
		}
	}
}
