"""Reading the past."""
import pytest
from django.contrib.auth.models import User, Group
from audittrail import history
from audittrail.models import Revision

pytestmark = pytest.mark.django_db(transaction=True)

def rev(): return Revision.objects.newest_first()[0]

def test_as_of():
    g = Group.objects.create(name="foo")
    u = User.objects.create(username="bob"); r1 = rev()
    u.groups.add(g); r2 = rev()
    u.username = "rob"; u.save(); r3 = rev()
    g.delete(); r4 = rev()
    u.delete(); r5 = rev()
    names = lambda r: list(User.history(revision=r).values_list("username", flat=True))
    assert [names(r) for r in (r1, r2, r3, r4, r5)] == [["bob"], ["bob"], ["rob"], ["rob"], []]
    assert User.history(revision=r2).filter(groups__name="foo").count() == 1
    assert User.history(revision=r4).filter(groups__name="foo").count() == 0
    o = User.history(revision=r3).prefetch_related("groups").get()
    assert [x.name for x in o.groups.all()] == ["foo"]
    o = User.history(revision=r3).get()
    assert [x.name for x in o.groups.all()] == ["foo"] and o.password is None
    assert list(r3.get_changed_objects(User).values_list("username", "history_operation")) == [("rob", "U")]
    assert {m.__name__: [x.history_operation for x in qs] for m, qs in r4.get_all_changed_objects().items()} == {"Group": ["D"], "User_groups": ["D"]}
    assert [x.username for x in User.history.deleted()] == ["rob"]
    with history.at_rev(r3):
        assert User.history.get().username == "rob"
        assert Group.history.count() == 1
    with pytest.raises(Exception) as e: o.save()
    print(e.value)
    with pytest.raises(Exception) as e: User.history(revision=r3).filter(password="x").count()
    print(e.value)
    with pytest.raises(Exception) as e: list(User.objects.filter(pk__in=User.history(revision=r3)))
    print(e.value)
    with pytest.raises(Exception) as e: User.objects.all() | User.history(revision=r3)
    print(e.value)
    with pytest.raises(Exception) as e: list(User.objects.union(User.history(revision=r3)))
    print(e.value)
    with pytest.raises(Exception) as e: User.history.count()
    print(e.value)
    import pickle
    q = pickle.loads(pickle.dumps(User.history(revision=r3)))
    assert q[0].username == "rob" if hasattr(q, "__getitem__") else True
    print(User.history(revision=r3).explain())
