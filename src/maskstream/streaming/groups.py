"""Which objects are segmented together: those that share all their reference frames, and so one memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from maskstream.runtime.protocol import MemoryEntry
from maskstream.streaming.memory import MemoryBank


@dataclass(frozen=True)
class Group:
    """Objects that share all their reference frames, and so one memory bank.

    An older frame says nothing of an object that was marked later, so objects marked at different frames
    are segmented apart.
    """

    ids: tuple[int, ...]
    bank: MemoryBank

    def is_among(self, ids: Collection[int]) -> bool:
        """Whether it is of these objects, which a group is wholly or not at all (see ``Groups.parted``)."""
        return self.ids[0] in ids


@dataclass(frozen=True)
class Groups:
    """All objects of a stream, by their groups. It never changes: what a step makes of it is a new one."""

    groups: Sequence[Group] = ()

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def __getitem__(self, position: int) -> Group:
        return self.groups[position]

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of all objects, ascending."""
        return tuple(sorted(object_id for group in self.groups for object_id in group.ids))

    @property
    def nbytes(self) -> int:
        """Bytes that their memory takes."""
        return sum(group.bank.nbytes for group in self.groups)

    @property
    def memory_frames(self) -> dict[int, tuple[int, ...]]:
        """For each object the indices of its memory frames."""
        return {object_id: group.bank.frames for group in self.groups for object_id in group.ids}

    def parted(self, chosen: Iterable[int]) -> Groups:
        """The same objects, in groups that are each wholly among the chosen ones or wholly not."""
        chosen = frozenset(chosen)
        parted = []
        for group in self.groups:
            inside = [i for i, object_id in enumerate(group.ids) if object_id in chosen]
            outside = [i for i, object_id in enumerate(group.ids) if object_id not in chosen]
            if not inside or not outside:
                parted.append(group)
                continue
            for part in (inside, outside):
                parted.append(Group(tuple(group.ids[i] for i in part), group.bank.select(part)))
        return Groups(parted)

    def joined_by(self, new: Iterable[int], new_bank: Callable[[], MemoryBank]) -> Groups:
        """These and one more group, of those among some objects that are not known yet."""
        ids = tuple(sorted(set(new) - set(self.ids)))
        return Groups([*self.groups, Group(ids, new_bank())]) if ids else self

    def without(self, ids: Iterable[int]) -> Groups:
        """All objects but these."""
        removed = frozenset(ids)
        return Groups([group for group in self.parted(removed) if not group.is_among(removed)])

    def among(self, ids: Collection[int]) -> Groups:
        """The groups that are of these objects."""
        return Groups([group for group in self.groups if group.is_among(ids)])

    def not_among(self, ids: Collection[int]) -> Groups:
        """The groups that are not of these objects."""
        return Groups([group for group in self.groups if not group.is_among(ids)])

    def emptied(self, new_bank: Callable[[], MemoryBank]) -> Groups:
        """The same groups, with nothing in memory."""
        return Groups([Group(group.ids, new_bank()) for group in self.groups])

    def positions_in(self, ids: tuple[int, ...]) -> list[int]:
        """Where the objects stand in a list of ids, group after group."""
        return [ids.index(object_id) for group in self.groups for object_id in group.ids]

    def shares_of(self, entry: MemoryEntry, shared_key: bool) -> Iterator[tuple[Group, slice, MemoryEntry]]:
        """What each group has of a memory entry of all their objects, and at which positions.

        Args:
            entry: of the objects, group after group.
            shared_key: one key is of all objects.
        """
        start = 0
        for group in self.groups:
            part = slice(start, start + len(group.ids))
            start = part.stop
            keys = slice(None) if shared_key else part
            shrinkage = None if entry.shrinkage is None else entry.shrinkage[keys]
            yield group, part, MemoryEntry(entry.key[keys], shrinkage, entry.value[part])
