"""What each tenant has in a schema of its own."""

from django.db import models


class Patient(models.Model):
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Visit(models.Model):
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="visits")
    reason = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.reason
