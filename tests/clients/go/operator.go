package main

import (
	"context"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// site is what the operator works from: an ingress of its class, whose annotation says how many
// replicas the site has.
func site(name, replicas string) *networkingv1.Ingress {
	exact := networkingv1.PathTypeExact
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: name, Port: networkingv1.ServiceBackendPort{Number: 80},
	}}
	paths := []networkingv1.HTTPIngressPath{{Path: "/", PathType: &exact, Backend: backend}}
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Annotations: map[string]string{"replicas": replicas}},
		Spec: networkingv1.IngressSpec{
			IngressClassName: ptr.To(siteClass),
			Rules: []networkingv1.IngressRule{{
				Host:             name + ".example",
				IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: paths}},
			}},
		},
	}
}

const (
	finalizer  = "reddwarf.test/farewell"
	classField = "spec.ingressClassName"
	siteClass  = "site"
	// farewells is a config map in which the operator notes the sites that it has let go.
	farewells = "farewells"
)

// sites makes a deployment and a config map of each site, and tells its host in its status.
type sites struct{ client.Client }

func (s sites) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	source := &networkingv1.Ingress{}
	if err := s.Get(ctx, request.NamespacedName, source); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if ptr.Deref(source.Spec.IngressClassName, "") != siteClass {
		return ctrl.Result{}, nil
	}
	if !source.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, s.letGo(ctx, source)
	}
	if controllerutil.AddFinalizer(source, finalizer) {
		if err := s.Update(ctx, source); err != nil {
			return ctrl.Result{}, err
		}
	}
	if err := s.deploy(ctx, source); err != nil {
		return ctrl.Result{}, err
	}
	if err := s.configure(ctx, source); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, s.report(ctx, source)
}

func (s sites) deploy(ctx context.Context, source *networkingv1.Ingress) error {
	replicas, err := strconv.ParseInt(source.Annotations["replicas"], 10, 32)
	if err != nil {
		return err
	}
	wanted := deployment(source.Name, int32(replicas))
	found := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: source.Name, Namespace: source.Namespace}}
	_, err = controllerutil.CreateOrUpdate(ctx, s.Client, found, func() error {
		if found.CreationTimestamp.IsZero() {
			found.Spec = wanted.Spec
		}
		found.Spec.Replicas = wanted.Spec.Replicas
		return controllerutil.SetControllerReference(source, found, s.Scheme())
	})
	return err
}

func (s sites) configure(ctx context.Context, source *networkingv1.Ingress) error {
	found := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: source.Name, Namespace: source.Namespace}}
	_, err := controllerutil.CreateOrPatch(ctx, s.Client, found, func() error {
		found.Data = map[string]string{"host": source.Spec.Rules[0].Host}
		return controllerutil.SetControllerReference(source, found, s.Scheme())
	})
	return err
}

// report tells in the status where the site is, and how many it was made of.
func (s sites) report(ctx context.Context, source *networkingv1.Ingress) error {
	hostname := fmt.Sprintf("%s.%s", source.Annotations["replicas"], source.Spec.Rules[0].Host)
	is := source.Status.LoadBalancer.Ingress
	if len(is) == 1 && is[0].Hostname == hostname {
		return nil
	}
	source.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{Hostname: hostname}}
	return s.Status().Update(ctx, source)
}

func (s sites) letGo(ctx context.Context, source *networkingv1.Ingress) error {
	noted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: farewells, Namespace: source.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, s.Client, noted, func() error {
		if noted.Data == nil {
			noted.Data = map[string]string{}
		}
		noted.Data[source.Name] = string(source.UID)
		return nil
	})
	if err != nil || !controllerutil.RemoveFinalizer(source, finalizer) {
		return err
	}
	return client.IgnoreNotFound(s.Update(ctx, source))
}

// operate starts the operator, which knows nothing but the balancer.
func operate(ctx context.Context, g *group, b *balancer) ctrl.Manager {
	manager := must(ctrl.NewManager(b.config(g), ctrl.Options{
		Metrics:                 server.Options{BindAddress: "0"},
		LeaderElection:          true,
		LeaderElectionID:        "sites",
		LeaderElectionNamespace: namespace,
	}))
	class := func(object client.Object) []string {
		return []string{ptr.Deref(object.(*networkingv1.Ingress).Spec.IngressClassName, "")}
	}
	ok(manager.GetFieldIndexer().IndexField(ctx, &networkingv1.Ingress{}, classField, class))
	ok(ctrl.NewControllerManagedBy(manager).
		For(&networkingv1.Ingress{}).
		Owns(&appsv1.Deployment{}).
		Owns(&corev1.ConfigMap{}).
		Complete(sites{manager.GetClient()}))
	go func() { ok(manager.Start(ctx)) }()
	check(manager.GetCache().WaitForCacheSync(ctx), "no cache")
	return manager
}

func operator(ctx context.Context, g *group) {
	b := newBalancer(g)
	step("an operator starts behind a balancer, wins its lease and fills its cache")
	manager := operate(ctx, g, b)
	<-manager.Elected()

	step("it makes a site's objects, as their owner, and tells it in the status")
	must(g.next().NetworkingV1().Ingresses(namespace).Create(ctx, site("shop", "2"), metav1.CreateOptions{}))
	awaitSite(ctx, g, "shop", 2)
	source := must(g.next().NetworkingV1().Ingresses(namespace).Get(ctx, "shop", metav1.GetOptions{}))
	made := must(g.next().AppsV1().Deployments(namespace).Get(ctx, "shop", metav1.GetOptions{}))
	check(metav1.IsControlledBy(made, source), "owners: %v", made.OwnerReferences)
	check(controllerutil.ContainsFinalizer(source, finalizer), "finalizers: %v", source.Finalizers)

	step("it makes good what others take away or change")
	ok(g.next().CoreV1().ConfigMaps(namespace).Delete(ctx, "shop", metav1.DeleteOptions{}))
	must(g.next().AppsV1().Deployments(namespace).Patch(ctx, "shop", types.MergePatchType,
		[]byte(`{"spec":{"replicas":7}}`), metav1.PatchOptions{}))
	awaitSite(ctx, g, "shop", 2)

	victim := b.current()
	step("it goes on at another member when its own, node-%d, is killed", victim)
	g.kill(victim)
	b.move()
	awaitReplicas(ctx, g, victim, "3")
	g.startMissing()
	awaitSite(ctx, g, "shop", 3)
	for turn := range membersCount {
		b.move()
		awaitReplicas(ctx, g, turn+1, strconv.Itoa(4+turn))
	}
	byClass := &networkingv1.IngressList{}
	ok(manager.GetClient().List(ctx, byClass, client.InNamespace(namespace), client.MatchingFields{classField: siteClass}))
	check(len(byClass.Items) == 1, "its index has %d", len(byClass.Items))

	step("it takes leave of a deleted site, and what was the site's goes")
	ok(g.next().NetworkingV1().Ingresses(namespace).Delete(ctx, "shop", metav1.DeleteOptions{}))
	eventually(ctx, "all is gone", func() bool {
		_, noSource := g.next().NetworkingV1().Ingresses(namespace).Get(ctx, "shop", metav1.GetOptions{})
		_, noDeployment := g.next().AppsV1().Deployments(namespace).Get(ctx, "shop", metav1.GetOptions{})
		_, noMap := g.next().CoreV1().ConfigMaps(namespace).Get(ctx, "shop", metav1.GetOptions{})
		return apierrors.IsNotFound(noSource) && apierrors.IsNotFound(noDeployment) && apierrors.IsNotFound(noMap)
	})
	noted := must(g.next().CoreV1().ConfigMaps(namespace).Get(ctx, farewells, metav1.GetOptions{}))
	check(noted.Data["shop"] == string(source.UID), "farewells: %v", noted.Data)
}

// awaitReplicas asks for so many at a member besides `without` and waits until it is done.
func awaitReplicas(ctx context.Context, g *group, without int, replicas string) {
	one, other := others(without)
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"replicas":%q}}}`, replicas)
	must(g.on(one).NetworkingV1().Ingresses(namespace).Patch(ctx, "shop", types.MergePatchType, []byte(patch), metav1.PatchOptions{}))
	eventually(ctx, "the site has "+replicas, func() bool {
		made := must(g.on(other).AppsV1().Deployments(namespace).Get(ctx, "shop", metav1.GetOptions{}))
		return strconv.Itoa(int(*made.Spec.Replicas)) == replicas
	})
}

// awaitSite waits until the site's objects and status are as they should be, as any member tells.
func awaitSite(ctx context.Context, g *group, name string, replicas int32) {
	hostname := fmt.Sprintf("%d.%s.example", replicas, name)
	eventually(ctx, "the site is made", func() bool {
		source, err := g.next().NetworkingV1().Ingresses(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil || len(source.Status.LoadBalancer.Ingress) == 0 {
			return false
		}
		made, noDeployment := g.next().AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		config, noMap := g.next().CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
		return noDeployment == nil && noMap == nil &&
			*made.Spec.Replicas == replicas &&
			config.Data["host"] == name+".example" &&
			source.Status.LoadBalancer.Ingress[0].Hostname == hostname
	})
}
