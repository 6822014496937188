"""What ``import jpasbatch`` offers to scripts and notebooks: a thin layer on the stages."""
